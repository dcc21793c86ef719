*** Settings ***
Documentation    What the simulated board draws over time: inrush, load of the boot, load of what runs.

Library          OperatingSystem
Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock
Test Setup       Power Off

*** Test Cases ***
Recording Goes On Beside Other Keywords
    Start Power Recording    interval=50ms
    Power On
    Sleep    500ms
    Get Voltage    >    4.5
    ${now} =    Get Power Statistics
    Power Off
    Sleep    200ms
    ${power} =    Stop Power Recording
    Should Be True    ${power.samples} > ${now.samples} > 3 and ${power.minimum} == 0

Statistics Have Watts, Amperes And Joules
    Start Power Recording    interval=50ms
    Power On
    Sleep    300ms
    ${power} =    Stop Power Recording
    Should Be True    ${power.peak} > ${power.mean} > 0 and ${power.peak_current} > 0.5
    Should Be True    ${power.energy} > 0 and ${power.gaps} == 0

A Recording Can Be Saved
    Start Power Recording    interval=50ms
    Power On
    Sleep    300ms
    Stop Power Recording
    ${file} =    Save Power Recording    recordings/boot.csv
    ${text} =    Get File    ${file}
    Should Start With    ${text}    seconds,volt,ampere,watt

Within Limits
    Power On
    ${power} =    Power Should Stay Within    min=0.5    max=15    during=300ms
    Should Be True    ${power.samples} > 0
    Power Should Stay Within    min=4.5    max=5.5    during=100ms    quantity=VOLTAGE

Outside Limits Is A Failure Of The Device
    Power On
    Run Keyword And Expect Error
    ...    DEVICE: The current of the power driver 'power' *did not stay within its limits*above max=0.01 A*
    ...    Power Should Stay Within
    ...    max=0.01
    ...    during=2s
    ...    quantity=CURRENT
    Power Off
    Run Keyword And Expect Error    DEVICE: The power of*below min=0.5 W*    Power Should Stay Within    min=0.5

A Running Recording Is Used
    Start Power Recording
    Power On
    Power Should Stay Within    max=15    during=200ms
    Stop Power Recording

A Start Like The Good One Matches
    Record A Start    good.csv
    Record A Start    again.csv
    Power Should Match Signature    ${OUTPUT DIR}/good.csv    tolerance=25%

A Start Without Load Does Not Match
    Record A Start    good.csv
    Power Off
    Start Power Recording    interval=50ms
    Sleep    1.3s
    Stop Power Recording
    Run Keyword And Expect Error    DEVICE: The power of*does not match the signature 'good.csv'*
    ...    Power Should Match Signature    ${OUTPUT DIR}/good.csv    tolerance=10%

A Recording That Is Too Short Never Matches
    Record A Start    good.csv
    Power Off
    Start Power Recording    interval=50ms
    Power On
    Sleep    300ms
    Stop Power Recording
    Run Keyword And Expect Error    TEST: The power recording of*lacks*
    ...    Power Should Match Signature    ${OUTPUT DIR}/good.csv    tolerance=50%

Wrong Use
    Run Keyword And Expect Error    TEST: Power Should Stay Within needs a limit*    Power Should Stay Within
    Run Keyword And Expect Error    TEST:*nothing can be within*    Power Should Stay Within    min=2    max=1
    Start Power Recording
    Run Keyword And Expect Error    TEST:*is being recorded already*    Start Power Recording
    Stop Power Recording
    Run Keyword And Expect Error    CONFIGURATION: The power recording*no such file*
    ...    Power Should Match Signature    ${OUTPUT DIR}/none.csv

A Driver That Does Not Measure Cannot Be Recorded
    Open Jumpstarter Session    ${CURDIR}/two_supplies.yaml    alias=two
    Run Keyword And Expect Error    DEVICE:*does not measure*    Start Power Recording    driver=board
    Run Keyword And Expect Error    TEST: Nothing was recorded*    Stop Power Recording    driver=board
    [Teardown]    Close Jumpstarter Session    two

*** Keywords ***
Record A Start
    [Documentation]    Saves a bit less than what is recorded in the end.
    [Arguments]    ${file}
    Power Off
    Start Power Recording    interval=50ms
    Power On
    Sleep    1s
    Save Power Recording    ${file}
    Sleep    300ms
    Stop Power Recording
