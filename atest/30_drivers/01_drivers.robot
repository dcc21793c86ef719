*** Settings ***
Documentation    The tree, and calling methods that no keyword knows.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock

*** Test Cases ***
Tree
    ${tree} =    Get Driver Tree
    Should Be Equal    ${tree.children.power.path}    power
    Should Be Equal    ${tree.children.power.client}    jumpstarter_driver_power.client.PowerClient

Finding
    ${paths} =    Find Drivers    client_class=*.PowerClient
    Should Be Equal    ${paths}    ${{['power']}}
    ${paths} =    Find Drivers    name=nothing*
    Should Be Empty    ${paths}

Should Exist
    Driver Should Exist    power
    Run Keyword And Expect Error    CONFIGURATION:*has no driver 'powr'. Did you mean 'power'?
    ...    Driver Should Exist    powr

Calling
    ${result} =    Call Driver Method    on    driver=power
    Should Be Equal    ${result}    ${None}

Streaming
    ${readings} =    Stream Driver Method    read    count=2    driver=power
    Length Should Be    ${readings}    2
    Should Be True    ${readings}[1][voltage] > 4.5

An Unknown Method Has Near Matches
    Run Keyword And Expect Error    TEST: offf() on driver 'power'*did you mean off?
    ...    Call Driver Method    offf    driver=power

The Wrong Kind Says Which Keyword Is Right
    Run Keyword And Expect Error    TEST:*Stream Driver Method*
    ...    Call Driver Method    read    driver=power
    Run Keyword And Expect Error    TEST:*Call Driver Method*
    ...    Stream Driver Method    on    driver=power

A Wrong Number Of Arguments
    Run Keyword And Expect Error    TEST: on() on driver 'power'*wrong number of arguments*
    ...    Call Driver Method    on    1    2    driver=power

What Would Arrive Altered Is Not Sent
    Run Keyword And Expect Error    TEST:*was not sent: argument 1: at ?'speed'??1?: nan would arrive as null*
    ...    Call Driver Method    on    ${{{'speed': [1, float('nan')]}}}    driver=power
