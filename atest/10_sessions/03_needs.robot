*** Settings ***
Documentation    Tags that say what a test needs; these are met, so the tests run.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Sessions    dut=mock    peer=mock:power

*** Test Cases ***
A Family That Any Of The Devices Has
    [Tags]    needs:console    needs:power    needs:video
    Switch Jumpstarter Session    dut
    Driver Should Exist    video

A Family Of The Named Device
    [Tags]    needs:dut:storage    needs:peer:power
    No Operation

A Path
    [Tags]    needs:network.http    needs:dut:.console
    No Operation

A Device That Is Opened Only Here
    [Tags]    needs:third:power
    Open Jumpstarter Session    mock:power    third
    Power On
    [Teardown]    Close Jumpstarter Session    third
