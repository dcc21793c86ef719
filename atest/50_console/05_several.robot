*** Settings ***
Documentation    Two consoles of one device, and two devices at once.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    ${CURDIR}/rig.yaml    consoles=echo,uart

*** Test Cases ***
Waits In Turn
    Write Line To Console    from the echo    console=echo
    Call Driver Method    send    from the uart\n    driver=uart
    Wait For Line On Console    from the uart    console=uart
    Wait For Line On Console    from the echo    console=echo

The First Of Both Wins
    Call Driver Method    send    winner\n    driver=uart
    ${found} =    Wait For Line On Any Console    winner    echo    uart
    Should Be Equal    ${found.console}    uart

Neither
    Run Keyword And Expect Error
    ...    DEVICE: No line matching 'never' on any of the consoles * within 200 ms*
    ...    Wait For Line On Any Console
    ...    never
    ...    echo
    ...    uart
    ...    timeout=200ms

Several Consoles And None Named
    Open Jumpstarter Session    ${CURDIR}/rig.yaml    second    consoles=uart
    Call Driver Method    send    of the second\n    driver=uart
    Wait For Line On Console    of the second
    Switch Jumpstarter Session    rig
    Should Not Be On Console    of the second    during=100ms    since=session start    console=uart
    ${found} =    Wait For Line On Any Console    second    rig:uart    second:uart    since=session start
    Should Be Equal    ${found.device}    second
    [Teardown]    Close Jumpstarter Session    second

The First Of Two Devices Wins
    [Setup]    Open Jumpstarter Session    ${CURDIR}/rig.yaml    second    consoles=uart
    Call Driver Method    send    winner of two\n    driver=uart
    ${found} =    Wait For Line On Any Console    winner of two    second:    rig:uart
    Should Be Equal    ${found.device}    second
    [Teardown]    Close Jumpstarter Session    second

Silence Ends The Wait
    Run Keyword And Expect Error
    ...    DEVICE: No line matching 'never' on any of the consoles * within 200 ms of silence*
    ...    Wait For Line On Any Console
    ...    never
    ...    echo
    ...    uart
    ...    timeout=30s
    ...    idle=200ms
