*** Settings ***
Documentation    Several sessions at once.

Library          JumpstarterLibrary

Test Teardown    Close All Jumpstarter Sessions

*** Test Cases ***
Switching Returns The Session Before
    Open Jumpstarter Session    mock    left
    Open Jumpstarter Session    mock    right
    ${before} =    Switch Jumpstarter Session    left
    Should Be Equal    ${before}    right
    ${session} =    Get Jumpstarter Session
    Should Be Equal    ${session.alias}    left

Two Boards Share Nothing
    Open Jumpstarter Session    mock    left
    Power On
    Open Jumpstarter Session    mock    right
    Get Voltage    ==    0
    Switch Jumpstarter Session    left
    Get Voltage    >    4.5

Aliases That Nobody Gave Are Numbered
    Open Jumpstarter Session    mock
    ${alias} =    Open Jumpstarter Session    mock
    Should Be Equal    ${alias}    mock-2

A Taken Alias Is Refused
    Open Jumpstarter Session    mock    board
    Run Keyword And Expect Error    TEST: The alias 'board' is taken*
    ...    Open Jumpstarter Session    mock    board

An Unknown Alias Lists The Known Ones
    Open Jumpstarter Session    mock    board
    Run Keyword And Expect Error    TEST: No open session has the alias 'bord'. Open: 'board'.
    ...    Switch Jumpstarter Session    bord

Closing Makes An Earlier Session Current
    Open Jumpstarter Session    mock    left
    Open Jumpstarter Session    mock    right
    Close Jumpstarter Session
    ${session} =    Get Jumpstarter Session
    Should Be Equal    ${session.alias}    left
    Close Jumpstarter Session    left
    ${sessions} =    Get Jumpstarter Sessions
    Should Be Empty    ${sessions}

Without A Session Keywords Say So
    Run Keyword And Expect Error    TEST: No device session is open. Open one with Open Jumpstarter Session.
    ...    Power On

Closing When None Is Open Does No Harm
    Close All Jumpstarter Sessions
