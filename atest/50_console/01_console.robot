*** Settings ***
Documentation     The simulated board's console: booting, waiting, marks, output.

Library           OperatingSystem
Library           JumpstarterLibrary

Suite Setup       Open The Board
Suite Teardown    Power Off

*** Test Cases ***
Nothing Is Lost Between Keywords
    [Documentation]    What is said while no keyword waits is found later.
    Power Cycle    wait=50ms
    Wait Until Console Is Idle    quiet=300ms
    Wait For Line On Console    Linux version    since=power on
    Wait For Prompt On Console    login:    match=CONTAINS

Groups Come Back
    Power Cycle    wait=50ms
    ${found} =    Wait For Line On Console    Linux version (?<version>[\\d.]+)    match=REGEX
    Should Match Regexp    ${found.version}    ^\\d+\\.\\d+\\.\\d+$
    Should Contain    ${found.line}    Linux version
    Should Be True    ${found.since_power_on} > 0

Lines In Order
    Power Cycle    wait=50ms
    ${found} =    Wait For Lines On Console    Linux version    Welcome to    login:    mode=ORDERED
    Length Should Be    ${found}    3

The First Of Several
    Power Cycle    wait=50ms
    ${found} =    Wait For Lines On Console    Kernel panic    login:    mode=ANY
    Should Be Equal    ${found[0].label}    login:

Marks
    Power Cycle    wait=50ms
    Wait For Prompt On Console    login:    match=CONTAINS
    Mark Console    logged in
    ${text} =    Get Console Output    since=logged in
    Should Be Empty    ${text}
    ${text} =    Get Console Output    since=power on
    Should Contain    ${text}    Linux version

Race Free
    Power Cycle And Wait For Line On Console    Welcome to    wait=50ms
    Wait For Prompt On Console    login:    match=CONTAINS
    Write Line To Console And Wait    nobody    Password:

Off Is Silent
    Power Off
    Console Should Be Idle    during=300ms

A Failed Wait Shows What The Device Said
    Power Cycle    wait=50ms
    Wait For Prompt On Console    login:    match=CONTAINS
    ${error} =    Run Keyword And Expect Error    DEVICE: Console 'console' of 'mock': no line matching 'no such line'*
    ...    Wait For Line On Console    no such line    timeout=300ms
    Should Contain    ${error}    within 300 ms
    Should Contain    ${error}    login:
    Should Contain    ${error}    switched on
    ${size} =    Get Length    ${error}
    Should Be True    ${size} < 4096

A Device That Says Nothing Fails Early
    Power Off
    Run Keyword And Expect Error    DEVICE:*300 ms of silence*
    ...    Wait For Line On Console    login:    idle=300ms    timeout=20s    since=now

The Whole Output Is In A File
    Power Cycle    wait=50ms
    Wait For Prompt On Console    login:    match=CONTAINS
    ${log} =    Get File    ${OUTPUT DIR}/jumpstarter/mock/console.log
    Should Contain    ${log}    Linux version
    ${log} =    Get File    ${OUTPUT DIR}/jumpstarter/mock/The_Whole_Output_Is_In_A_File/console.log
    Should Contain    ${log}    Linux version
    Save Console Log    ${OUTPUT DIR}/saved.txt    since=power on
    File Should Not Be Empty    ${OUTPUT DIR}/saved.txt

An Empty Match Is Refused
    Run Keyword And Expect Error    TEST:*matches the empty text*
    ...    Wait For Line On Console    x*    match=REGEX

*** Keywords ***
Open The Board
    [Documentation]    A session with its console.
    Open Jumpstarter Session    mock
    Open Console
