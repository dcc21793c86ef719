*** Settings ***
Documentation    Switching and measuring the simulated board.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock
Test Setup       Power Off

*** Test Cases ***
On And Off
    Power On
    Get Voltage    >    4.5
    Power Off
    Get Voltage    ==    0

Switching Twice Changes Nothing
    Power On
    Power On
    Get Voltage    >    4.5

Cycle
    Power On
    Power Cycle    wait=50ms
    Get Voltage    >    4.5

Rescue
    Power Rescue
    Get Voltage    >    4.5

Readings
    Power On
    ${readings} =    Get Power Readings    count=3
    Length Should Be    ${readings}    3
    FOR    ${reading}    IN    @{readings}
        Should Be True    4.5 < ${reading.voltage} < 5.5
        Should Be True    ${reading.power} == ${reading.voltage} * ${reading.current}
    END

Values Can Be Kept
    Power On
    ${volts} =    Get Voltage
    ${amperes} =    Get Current
    ${watts} =    Get Power    >    0
    Should Be True    ${volts} > 4.5 and ${amperes} > 0 and ${watts} > 0

A Failed Assertion Tells Value And Limit
    ${error} =    Run Keyword And Expect Error    DEVICE: Voltage in V*    Get Voltage    >    4.5
    Should Contain    ${error}    0.0
    Should Contain    ${error}    4.5

A Failure Message Of One's Own
    Run Keyword And Expect Error    DEVICE: The supply is dead
    ...    Get Voltage    >    4.5    message=The supply is dead
