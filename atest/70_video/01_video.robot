*** Settings ***
Documentation    Pictures of the simulated board's screen.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock    alias=board
Test Setup       Power Off

*** Test Cases ***
A Screen Without Signal Is Offline
    ${state} =    Get Video State
    Should Be Equal    ${state}    ${{ {'online': False, 'width': 320, 'height': 240, 'fps': 0} }}

A Screen With Signal Is Online
    Power On
    ${state} =    Get Video State    driver=video
    Should Be True    ${state.online}

A Picture Is A New File Each Time
    ${first} =    Take Snapshot
    ${second} =    Take Snapshot    driver=video    timeout=5s
    Should Not Be Equal    ${first}    ${second}
    Should Be Equal    ${first.read_bytes()}    ${second.read_bytes()}
    Should Match Regexp    ${first.name}    ^board-video-\\d+\\.png$

A Picture Shows What The Board Does
    ${off} =    Take Snapshot
    Power On
    ${on} =    Take Snapshot
    Should Not Be Equal    ${off.read_bytes()}    ${on.read_bytes()}

A Picture Under A Name Of Ones Own
    ${path} =    Take Snapshot    ${OUTPUT DIR}/pictures/board
    Should Be Equal    ${path.name}    board.png
    ${again} =    Take Snapshot    pictures/board.png
    Should Be Equal    ${path}    ${again}

A Driver That Is No Camera
    Run Keyword And Expect Error    CONFIGURATION: 'power' of device 'board' is a power driver, no video driver.*
    ...    Take Snapshot    driver=power

Two Cameras And None Named
    Open Jumpstarter Session    ${CURDIR}/two_cameras.yaml    cameras
    Run Keyword And Expect Error
    ...    CONFIGURATION: Device 'cameras' has 2 video drivers: 'front', 'rear'.*
    ...    Take Snapshot
    Take Snapshot    driver=rear
    [Teardown]    Close Jumpstarter Session    cameras

A Named Camera
    Open Jumpstarter Session    ${CURDIR}/two_cameras.yaml    cameras
    Set Default Driver    front
    ${path} =    Take Snapshot
    Should Start With    ${path.name}    cameras-front-
    [Teardown]    Close Jumpstarter Session    cameras
