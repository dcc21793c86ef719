*** Settings ***
Documentation     Logging in, and commands with their exit status.

Library           JumpstarterLibrary

Suite Setup       Open And Boot The Board
Suite Teardown    Power Off

*** Test Cases ***
A Command And Its Output
    ${result} =    Execute Console Command    uname    expected_rc=0
    Should Be Equal    ${result.stdout}    Linux
    Should Be Equal As Integers    ${result.rc}    0
    Should Be True    ${result.duration} > 0

Exit Status
    ${result} =    Execute Console Command    false
    Should Be Equal As Integers    ${result.rc}    1
    ${result} =    Execute Console Command    no-such-command
    Should Be Equal As Integers    ${result.rc}    127

An Unexpected Exit Status Fails With The Output
    Run Keyword And Expect Error    DEVICE: 'cat /no/such/file'*exit status 1, expected 0*
    ...    Execute Console Command    cat /no/such/file    expected_rc=0

Several Lines
    ${result} =    Execute Console Command    echo one; echo two; echo three
    Should Be Equal    ${result.stdout}    one\ntwo\nthree

Output Without Line End
    ${result} =    Execute Console Command    echo -n bare
    Should Be Equal    ${result.stdout}    bare

Kernel Lines Are Not Output
    Call Driver Method    kernel    usb 1-1: device descriptor read error    driver=console
    ${result} =    Execute Console Command    echo one; sleep 0.1; echo two
    Should Be Equal    ${result.stdout}    one\ntwo

After A Timeout The Shell Answers Again
    Run Keyword And Expect Error    DEVICE:*    Execute Console Command    sleep 30    timeout=500ms
    ${result} =    Execute Console Command    echo still here
    Should Be Equal    ${result.stdout}    still here

Logging In Twice Does No Harm
    Login To Console    root    sesame

A Wrong Password Is Refused
    Execute Logout
    Run Keyword And Expect Error    DEVICE: Login on console 'console' of 'mock' as 'root' was refused*
    ...    Login To Console    root    wrong
    Login To Console    root    sesame

*** Keywords ***
Open And Boot The Board
    [Documentation]    A session with a shell on its console.
    Open Jumpstarter Session    mock
    Open Console
    Power On
    Login To Console    root    sesame

Execute Logout
    [Documentation]    Leaves the shell.
    Write Line To Console    exit
    Wait For Prompt On Console    login:    match=CONTAINS
