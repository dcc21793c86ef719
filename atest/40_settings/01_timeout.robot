*** Settings ***
Documentation    The timeout and its scopes.

Library          JumpstarterLibrary    timeout=20s

*** Test Cases ***
The Import Argument Counts, And Setting Returns The Value Before
    ${before} =    Set Jumpstarter Timeout    5s    scope=Test
    Should Be Equal As Numbers    ${before.total_seconds()}    20
    ${before} =    Set Jumpstarter Timeout    ${before}    scope=Test
    Should Be Equal As Numbers    ${before.total_seconds()}    5

What A Test Sets Ends With It
    ${before} =    Set Jumpstarter Timeout    3s
    Should Be Equal As Numbers    ${before.total_seconds()}    20

What A Suite Sets Lasts
    ${before} =    Set Jumpstarter Timeout    4s
    Should Be Equal As Numbers    ${before.total_seconds()}    3

A Timeout Is Longer Than Nothing
    Run Keyword And Expect Error    TEST: A timeout must be longer than nothing*
    ...    Set Jumpstarter Timeout    0s
