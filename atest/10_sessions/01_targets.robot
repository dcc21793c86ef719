*** Settings ***
Documentation    Where a session comes from, and what is said when it cannot come.

Library          OperatingSystem
Library          JumpstarterLibrary

Test Teardown    Close All Jumpstarter Sessions

*** Test Cases ***
The Simulated Board
    ${alias} =    Open Jumpstarter Session    mock
    Should Be Equal    ${alias}    mock
    Driver Should Exist    power

A Bare Power Driver
    Open Jumpstarter Session    mock:power
    Power On
    Get Voltage    ==    5

An Exporter Configuration
    ${alias} =    Open Jumpstarter Session    ${CURDIR}/bench.yaml
    Should Be Equal    ${alias}    bench
    ${paths} =    Find Drivers    family=power
    Should Be Equal    ${paths}    ${{['supply', 'board.psu']}}
    Power On    driver=board.psu

A Configuration That Is Wrong Names Its Line
    Run Keyword And Expect Error
    ...    CONFIGURATION:*wrong.yaml:6*
    ...    Open Jumpstarter Session    ${CURDIR}/wrong.yaml

The Surrounding Shell
    Open Jumpstarter Session    mock    outer
    Set Environment Variable    JUMPSTARTER_HOST    /nowhere/socket
    Run Keyword And Expect Error
    ...    INFRASTRUCTURE: Cannot open device 'nowhere': there is no socket '/nowhere/socket'.*
    ...    Open Jumpstarter Session
    [Teardown]    Remove Environment Variable    JUMPSTARTER_HOST

Nothing Says Where The Device Is
    ${error} =    Run Keyword And Expect Error    CONFIGURATION: Nothing says where the device is.*
    ...    Open Jumpstarter Session
    Should Contain    ${error}    1. give a target
    Should Contain    ${error}    2. set JUMPSTARTER_HOST
    Should Contain    ${error}    3. run inside a jmp shell
    Should Contain    ${error}    4. lease a device

Nobody Listens There
    Run Keyword And Expect Error
    ...    INFRASTRUCTURE: Cannot open device '127.0.0.1:1'*nobody listens*Is the exporter running*
    ...    Open Jumpstarter Session    127.0.0.1:1

What Is Not An Address
    Run Keyword And Expect Error
    ...    CONFIGURATION: 'rpi4' is not an address: expected host:port*
    ...    Open Jumpstarter Session    rpi4
