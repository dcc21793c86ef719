*** Settings ***
Documentation     One test fails on purpose, so that you see what a failure looks like: its text, class and evidence.
...               `make demo` runs it after the demo, and is content only if it has failed, as the device's failure.

Library           JumpstarterLibrary

Suite Setup       Open The Board
Suite Teardown    Power Off

*** Test Cases ***
This Test Fails On Purpose
    [Documentation]    The board boots version 1.0.0, and the test waits for 9.9.9. Its message tells what was said.
    Power On
    Login To Console    root    sesame
    Wait For Line On Console    Welcome to SimBoard 9.9.9    since=power on    timeout=1s

*** Keywords ***
Open The Board
    [Documentation]    A session with the board's console.
    Open Jumpstarter Session    mock    alias=board
    Open Console
