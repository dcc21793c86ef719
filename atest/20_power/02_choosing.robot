*** Settings ***
Documentation    Which power driver is meant.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    ${CURDIR}/two_supplies.yaml

*** Test Cases ***
Several Candidates Are An Error That Lists Them
    Run Keyword And Expect Error
    ...    CONFIGURATION: Device 'two_supplies' has 2 power drivers: 'main', 'board.standby'.*
    ...    Power On

Named
    Power On    driver=board.standby

By Default Driver
    ${before} =    Set Default Driver    board
    Should Be Equal    ${before}    ${EMPTY}
    Power On
    [Teardown]    Set Default Driver    ${before}

A Wrong Name Has Near Matches
    Run Keyword And Expect Error    CONFIGURATION:*has no driver 'board.standbi'. Did you mean 'board.standby'?
    ...    Power On    driver=board.standbi

A Driver That Does Not Measure Is Never 0 Volt
    Run Keyword And Expect Error    DEVICE:*does not measure*
    ...    Get Voltage    driver=board
