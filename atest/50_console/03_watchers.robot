*** Settings ***
Documentation     What must not appear, whenever it does.

Library           JumpstarterLibrary

Suite Setup       Open The Board
Suite Teardown    Power Off
Test Setup        Boot The Board

*** Test Cases ***
A Hit Stops A Wait At Once
    Login To Console    root    sesame
    Fail On Console Output    ^meltdown    label=meltdown    match=REGEX    scope=Test
    Write Line To Console    sleep 0.3; echo meltdown
    Run Keyword And Expect Error    DEVICE: Console 'console' of 'mock' said what it must not (meltdown)*
    ...    Wait For Line On Console    this never comes    timeout=20s

A Hit Between Keywords Fails The Next One
    Login To Console    root    sesame
    Fail On Console Output    ^meltdown    label=meltdown    match=REGEX    scope=Test
    Write Line To Console    sleep 0.3; echo meltdown
    Sleep    600ms
    Run Keyword And Expect Error    DEVICE: Console 'console' of 'mock' said what it must not (meltdown)*
    ...    Get Voltage

A Suspended Watcher Says Nothing
    Fail On Console Output    Kernel panic    label=panic    scope=Test
    Allow Console Output    panic
    Call Driver Method    panic    driver=console
    Wait For Line On Console    Kernel panic

Known Failures
    ${labels} =    Fail On Known Console Failures    LINUX    scope=Test
    Should Contain    ${labels}    kernel panic
    Run Keyword And Expect Error    DEVICE: *must not (kernel *)*
    ...    Panic And Wait

An Unexpected Second Boot
    Fail On Known Console Failures    SECOND_BOOT    scope=Test
    Power Cycle    wait=50ms
    Login To Console    root    sesame
    Write Line To Console    reboot
    Run Keyword And Expect Error    DEVICE: *must not (second boot: Linux)*
    ...    Wait For Line On Console    this never comes    timeout=20s

A Boot Before The Watcher Is The First One
    Fail On Known Console Failures    SECOND_BOOT    scope=Test
    Login To Console    root    sesame
    Write Line To Console    reboot
    Run Keyword And Expect Error    DEVICE: *must not (second boot: Linux)*
    ...    Wait For Line On Console    this never comes    timeout=20s

An Unknown Label Lists The Known Ones
    Fail On Console Output    Kernel panic    label=panic    scope=Test
    Run Keyword And Expect Error    TEST: No watcher has the label 'panik'; there are 'panic'.
    ...    Allow Console Output    panik

*** Keywords ***
Open The Board
    [Documentation]    A session with its console.
    Open Jumpstarter Session    mock
    Open Console

Boot The Board
    [Documentation]    Off and on again, up to the login prompt.
    Power Cycle    wait=50ms
    Wait For Prompt On Console    login:    match=CONTAINS

Panic And Wait
    [Documentation]    Whichever of the two hears of it first.
    Call Driver Method    panic    driver=console
    Wait For Line On Console    this never comes    timeout=20s
