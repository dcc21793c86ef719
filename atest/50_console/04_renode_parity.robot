*** Settings ***
Documentation    Each of Renode's UART keywords has a counterpart; the table is in docs/guide/from-renode.md.
...              The device says what the test lets it say.

Library          Collections
Library          JumpstarterLibrary

Suite Setup      Open Both Consoles
Test Setup       Switch Console    uart

*** Test Cases ***
Create Terminal Tester
    ${name} =    Open Console    driver=echo    char_delay=1ms
    Should Be Equal    ${name}    echo
    Write Line To Console    to the one that was opened last
    Wait For Line On Console    opened last
    Switch Console    uart
    ${options} =    Set Console Configuration
    Should Be Equal As Numbers    ${options.char_delay.total_seconds()}    0
    [Teardown]    Set Console Configuration    char_delay=0s    console=echo

Create Terminal Tester End Line Option
    Switch Console    echo
    ${before} =    Set Console Configuration    newline=CRLF
    Write Line To Console    ended as asked
    Wait For Bytes On Console    asked\r\n
    [Teardown]    Set Console Configuration    &{before}

Set Default Tester
    ${before} =    Switch Console    echo
    Should Be Equal    ${before}    uart
    Write Line To Console    by default
    Wait For Line On Console    by default

Set Default Uart Timeout
    ${before} =    Set Jumpstarter Timeout    300ms    scope=Test
    Run Keyword And Expect Error    DEVICE:*within 300 ms*    Wait For Line On Console    never said
    Set Jumpstarter Timeout    ${before}    scope=Test

Wait For Line On Uart
    Device Says    first\\r\\nthe second line\\r\\n
    ${found} =    Wait For Line On Console    second
    Should Be Equal    ${found.line}    the second line

Wait For Line On Uart Treat As Regex
    Device Says    temp=42 C\\r\\n
    ${found} =    Wait For Line On Console    temp=(\\d+)    match=REGEX
    Should Be Equal    ${found.groups[0]}    42

Wait For Line On Uart Include Unfinished Line
    Device Says    no line end here
    ${found} =    Wait For Line On Console    line end
    Should Be Equal    ${found.line}    no line end here
    Device Says    \\r\\n

Wait For Line On Uart Match Next Line
    Device Says    marker of the line\r\nand the very next\r\n
    Wait For Line On Console    marker of the line
    ${found} =    Wait For Next Line On Console
    Should Contain    ${found.line}    the very next
    Device Says    marker again\r\nanother line\r\nand the very next\r\n
    Wait For Line On Console    marker again
    ${found} =    Wait For Next Line On Console
    Should Not Contain    ${found.line}    the very next

Wait For Lines On Uart
    Device Says    one=1\\r\\ntwo=2\\r\\n
    ${found} =    Wait For Lines On Console    one=(\\d)    two=(\\d)    match=REGEX    mode=BLOCK
    Should Be Equal    ${found[0].groups[0]}    1
    Should Be Equal    ${found[1].groups[0]}    2

Wait For Lines On Uart Match From Next Line
    Device Says    begin of the block\r\nline 1\r\nline 2\r\n
    Wait For Line On Console    begin of the block
    ${first} =    Wait For Next Line On Console
    ${second} =    Wait For Next Line On Console
    Should Be Equal    ${first.line} ${second.line}    line 1 line 2
    Device Says    something else\r\nline 1\r\nline 2\r\n
    ${first} =    Wait For Next Line On Console
    Should Not Be Equal    ${first.line}    line 1

Wait For Prompt On Uart
    Device Says    done\\r\\n# ${SPACE}
    ${found} =    Wait For Prompt On Console    \#    match=CONTAINS
    Should Contain    ${found.before}    done
    Device Says    \\r\\n

Wait For Next Line On Uart
    Device Says    marker\\r\\nwhatever comes\\r\\n
    Wait For Line On Console    marker
    ${found} =    Wait For Next Line On Console
    Should Be Equal    ${found.line}    whatever comes

Wait For Bytes On Uart
    Call Driver Method    send_hex    00ff80a5    driver=uart
    ${data} =    Wait For Bytes On Console    \xff\x80
    Should Be True    $data.endswith(b'\\xff\\x80')

Should Not Be On Uart
    Should Not Be On Console    panic    during=200ms
    Device Says    panic\\r\\n
    Run Keyword And Expect Error    DEVICE:*said what it should not*
    ...    Should Not Be On Console    panic    during=200ms    since=test start

Register And Unregister Failing Uart String
    Fail On Console Output    fatal    label=fatal    scope=Test
    Run Keyword And Expect Error    DEVICE:*must not (fatal)*    Say And Wait    fatal${SPACE}
    Allow Console Output    fatal
    Device Says    fatal\\r\\nfine\\r\\n
    Wait For Line On Console    fine

Write Line To Uart Waits For Echo
    Switch Console    echo
    Write Line To Console    hello    expect_echo=True
    Switch Console    uart
    Run Keyword And Expect Error    DEVICE:*
    ...    Write Line To Console    hello    expect_echo=True    timeout=300ms

Write To Uart And Write Char On Uart
    Switch Console    echo
    Write To Console    a=b
    Wait For Line On Console    a=b
    Send Control Character    ENTER
    Write Line To Console    next
    Wait For Line On Console    next

Send Key To Uart
    Switch Console    echo
    Write Bytes To Console    \x41\x0a
    Wait For Line On Console    A    match=EXACT

Write Char Delay
    Switch Console    echo
    ${before} =    Set Console Configuration    char_delay=20ms
    Write Line To Console    slowly
    Wait For Line On Console    slowly
    Set Console Configuration    &{before}

Test If Uart Is Idle
    Console Should Be Idle    during=200ms
    Open Jumpstarter Session    mock    booting    consoles=console
    Power On
    Run Keyword And Expect Error    DEVICE:*is not idle*    Console Should Be Idle    during=10s
    [Teardown]    Close Jumpstarter Session    booting

Get Terminal Tester Report
    Device Says    for the record\r\n
    Wait For Line On Console    for the record
    ${report} =    Get Console Output    since=session start
    Should Contain    ${report}    for the record

Clear Terminal Tester Report
    Device Says    said before\r\n
    Wait For Line On Console    said before
    Mark Console    cleared
    ${report} =    Get Console Output    since=cleared
    Should Be Empty    ${report}
    Run Keyword And Expect Error    DEVICE:*no line*
    ...    Wait For Line On Console    said before    since=cleared    timeout=200ms
    Device Says    said after\r\n
    Wait For Line On Console    said after    since=cleared
    ${report} =    Get Console Output    since=cleared
    Should Be Equal    ${report}    said after\n

*** Keywords ***
Open Both Consoles
    [Documentation]    One that only speaks when told to, and one that echoes.
    Open Jumpstarter Session    ${CURDIR}/rig.yaml    consoles=echo,uart
    Switch Console    uart

Device Says
    [Documentation]    Lets the device say something; escapes are Python's.
    [Arguments]    ${text}
    ${said} =    Evaluate    $text.encode().decode('unicode_escape')
    Call Driver Method    send    ${said}    driver=uart

Say And Wait
    [Documentation]    Whichever of the two hears of it first.
    [Arguments]    ${text}
    Device Says    ${text}
    Wait For Line On Console    never    timeout=5s
