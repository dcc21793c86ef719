*** Settings ***
Documentation     What the library does, on the simulated board: no hardware, no cluster.
...               Run it with `make demo` and open log.html.

Library           JumpstarterLibrary
Library           outside.py

Suite Setup       Open The Board
Suite Teardown    Power Off

*** Test Cases ***
The Board Has Drivers
    [Documentation]    The driver tree is drawn as a table here.
    Get Driver Tree
    Driver Should Exist    power
    Driver Should Exist    console

The Board Powers Up
    [Documentation]    Inrush first, then about 5 V and the load of what runs.
    Power On
    ${voltage} =    Get Voltage
    Record Measurement    supply    ${voltage}    unit=V    limit=4.75..5.25
    Get Power Readings    count=5
    Get Current    validate    0 < value < 3

The Board Boots
    [Documentation]    What the board said is one folded block under each keyword. Boot stages are measured, too.
    ${kernel} =    Wait For Line On Console    Linux version (?<version>\\S+)    match=REGEX    since=power on
    Record Measurement    time to kernel    ${kernel.since_power_on}    unit=s    limit=<10
    Wait For Line On Console    Welcome to SimBoard 1.0.0
    Login To Console    root    sesame

Commands Have An Exit Status
    ${result} =    Execute Console Command    uname    expected_rc=0
    Should Be Equal    ${result.stdout}    Linux
    ${result} =    Execute Console Command    false
    Should Be Equal As Integers    ${result.rc}    1

A New Image Is Flashed
    [Documentation]    It is unpacked on its way. Size, rate and SHA-256 of the transfer stand in the log.
    Power Off
    ${image} =    Make Image    ${OUTPUT DIR}/system-2.4.1.img.gz    2.4.1
    Flash Image    ${image}    verify=True

The New Version Boots
    [Documentation]    What it draws meanwhile is recorded and plotted.
    Start Power Recording    interval=50ms
    Power Cycle And Wait For Line On Console    Welcome to SimBoard 2.4.1    wait=500ms
    ${drawn} =    Stop Power Recording
    Record Measurement    peak while booting    ${drawn.peak}    unit=W    limit=<15
    Get Voltage    >    4.5

The Board Serves A Page
    [Documentation]    A local port leads to the board's web server for as long as the session is open.
    ${forwarding} =    Forward Port    driver=network.http
    ${page} =    Fetch Page    http://${forwarding.address}/
    Should Contain    ${page}    SimBoard 2.4.1
    [Teardown]    Stop All Forwarding

The Screen Shows It
    [Documentation]    The picture stands in the log, and in a file beside it.
    Take Snapshot

Off Means Off
    Power Off
    Get Voltage    ==    0
    Console Should Be Idle    during=300ms
    ${video} =    Get Video State
    Should Not Be True    ${video.online}
    Take Snapshot

*** Keywords ***
Open The Board
    [Documentation]    A session with the board's console, watched for what must not appear.
    Open Jumpstarter Session    mock    alias=board
    Open Console
    Fail On Known Console Failures    LINUX    WATCHDOG
