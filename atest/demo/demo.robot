*** Settings ***
Documentation     What the library does, on the simulated board: no hardware, no cluster.
...               Run it with `make demo` and open log.html.

Library           JumpstarterLibrary

Suite Setup       Open Jumpstarter Session    mock    alias=board
Suite Teardown    Power Off

*** Test Cases ***
The Board Has A Power Driver
    [Documentation]    The driver tree is drawn as a table here.
    Get Driver Tree
    Driver Should Exist    power

The Board Powers Up
    [Documentation]    Inrush first, then about 5 V and the load of what runs.
    Power On
    Get Voltage    >    4.5
    Get Power Readings    count=5
    Get Current    validate    0 < value < 3

The Board Survives A Power Cycle
    Power Cycle    wait=500ms
    Get Voltage    >    4.5

Off Means Off
    Power Off
    Get Voltage    ==    0
    Get Current    ==    0
