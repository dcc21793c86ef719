*** Settings ***
Documentation     A boot loader that nobody here wrote, on a virtual board behind upstream's drivers.
...               Run by test_qemu_uboot.py, which starts the exporter and looks at the files.

Library           JumpstarterLibrary    timeout=20s

Suite Setup       Start The Board
Suite Teardown    Stop The Board

*** Variables ***
${ADDRESS}             ${EMPTY}
${PASSWORD: Secret}    %{U_BOOT_TEST_PASSWORD}
@{VALUES}
...                    hello board
...                    ${SPACE}blanks at both ends${SPACE}
...                    it's "quoted"
...                    $HOME costs \${money} & $?
...                    run this; reset | then # not
...                    back\\slash \\\\ and \\' and \\" at the end \\
...                    {braces} [brackets] <angles> * ? ~ ! ` %s
...                    -f
...                    äöü €

*** Test Cases ***
The Session Needs No Prompt To Be Told
    Execute U-Boot Command    true
    Execute U-Boot Command    true    console=uboot.serial

Version Prints The Banner
    ${result} =    Execute U-Boot Command    version
    Should Match Regexp    ${result.stdout}    ^U-Boot 20\\d\\d\\.\\d\\d\\S* \\(.*\\)\\n
    Should Contain    ${result.stdout}    GNU ld
    Should Not Contain Any    ${result.stdout}    version    =>    JLE
    Should Be Equal As Integers    ${result.rc}    0

Printenv Prints The Environment
    ${result} =    Execute U-Boot Command    printenv
    Should Match Regexp    ${result.stdout}    (?m)^baudrate=115200$
    Should Match Regexp    ${result.stdout}    (?m)^bootcmd=run distro_bootcmd$
    Should Match Regexp    ${result.stdout}    \\nEnvironment size: \\d+/\\d+ bytes$

Variables Are What They Were Set To
    FOR    ${value}    IN    @{VALUES}
        Set U-Boot Variable    greeting    ${value}
        ${now} =    Get U-Boot Variable    greeting
        Should Be Equal    ${now}    ${value}
    END

Setting A Variable Returns What It Was
    ${before} =    Set U-Boot Variable    bootdelay    7
    Should Be Equal    ${before}    2
    ${now} =    Set U-Boot Variable    bootdelay    ${before}
    Should Be Equal    ${now}    7
    ${nothing} =    Set U-Boot Variable    never_there    one
    Should Be Equal    ${nothing}    ${None}
    Set U-Boot Variable    never_there    ${nothing}
    Run Keyword And Expect Error    DEVICE: U-Boot on console 'vm.console' * has no variable 'never_there'.
    ...    Get U-Boot Variable    never_there

A Value With Several Lines Is Read
    Write Line To Console    setenv lines 'one
    Wait For Prompt On Console    ^> $
    Write Line To Console    two'
    Wait For Prompt On Console    => $
    ${lines} =    Get U-Boot Variable    lines
    Should Be Equal    ${lines}    one\ntwo

A Secret Is Set
    Set U-Boot Variable    password    ${PASSWORD}
    Execute U-Boot Command    printenv password

A Command That Fails Fails The Keyword
    Run Keyword And Expect Error    DEVICE: U-Boot's 'false' on console 'vm.console' * exit status 1, expected 0. *
    ...    Execute U-Boot Command    false
    Execute U-Boot Command    false    expected_rc=1
    ${result} =    Execute U-Boot Command    false    expected_rc=${None}
    Should Be Equal As Integers    ${result.rc}    1

An Unknown Command Says So
    ${result} =    Execute U-Boot Command    nosuch    expected_rc=1
    Should Be Equal    ${result.stdout}    Unknown command 'nosuch' - try 'help'

A Comment Does Not Hide The Exit Status
    ${result} =    Execute U-Boot Command    echo seen # and the rest is not
    Should Be Equal    ${result.stdout}    seen
    Execute U-Boot Command    false # as this is    expected_rc=1

A Command Without End Is Interrupted
    Run Keyword And Expect Error    DEVICE: *U-Boot's 'sleep 60' did not end within 500 ms*
    ...    Execute U-Boot Command    sleep 60    timeout=500ms
    Execute U-Boot Command    true    timeout=2s

A Robot Timeout Leaves A Usable Boot Loader
    [Documentation]    Fails, as it has to: no keyword catches a timeout.
    [Timeout]    500ms
    Execute U-Boot Command    sleep 60
    [Teardown]    Execute U-Boot Command    true    timeout=2s

An Open Quote Is Given Up
    Run Keyword And Expect Error    DEVICE: *did not end within 500 ms*
    ...    Execute U-Boot Command    echo 'never closed    timeout=500ms
    Execute U-Boot Command    true    timeout=2s

A Line That Is Too Long Runs Nothing
    ${long} =    Evaluate    "echo " + "x" * 2000
    Run Keyword And Expect Error
    ...    DEVICE: *did not take the line 'echo x*' (2* characters) as it is, so nothing was run.*
    ...    Execute U-Boot Command
    ...    ${long}
    Execute U-Boot Command    true

Characters Can Be Typed Slowly
    ${before} =    Set Console Configuration    char_delay=2ms    newline=CR
    Execute U-Boot Command    echo slow and steady
    [Teardown]    Set Console Configuration    &{before}

Reset Prints The Banner Again
    Reset The Board
    ${text} =    Get Console Output    since=before reset
    Should Contain X Times    ${text}    \nU-Boot 20    1
    Execute U-Boot Command    version

A Second Boot Is Noticed
    Fail On Known Console Failures    SECOND_BOOT    scope=Test
    Write Line To Console    reset
    Run Keyword And Expect Error
    ...    DEVICE: *'vm.console' * said what it must not (second boot: boot loader)*'U-Boot 20*
    ...    Wait For Line On Console
    ...    this never comes
    [Teardown]    Stop Autoboot

A Second Boot Can Be Allowed
    Fail On Known Console Failures    SECOND_BOOT    scope=Test
    Allow Console Output    second boot: boot loader
    Reset The Board

Leaving Boots On
    Set U-Boot Variable    bootcmd    echo there is "nothing" to boot
    Leave U-Boot
    Wait For Line On Console    there is nothing to boot    match=EXACT
    Execute U-Boot Command    true

A Prompt That Never Comes Shows What Came
    Run Keyword And Expect Error
    ...    DEVICE: Console 'vm.console' *: no U-Boot prompt regex 'never> $' within 3.2 s*Hit any key*whole output: *
    ...    Boot To U-Boot    wait=200ms    prompt=never> $    timeout=3s
    Execute U-Boot Command    true

Another Key Stops Autoboot Too
    Boot To U-Boot    wait=200ms    key=${SPACE}
    Execute U-Boot Command    true

Without Power There Is A Clear Word
    Power Off
    Run Keyword And Expect Error    INFRASTRUCTURE: *the stream is not open now*
    ...    Execute U-Boot Command    true
    Close Console
    Run Keyword And Expect Error    DEVICE: *connect_later=True.    Open Console    driver=vm.console
    Open Console    driver=vm.console    connect_later=True
    Boot To U-Boot    wait=200ms
    Execute U-Boot Command    echo the very last line

*** Keywords ***
Start The Board
    [Documentation]    The console of this board is there only while the board is on.
    Open Jumpstarter Session    ${ADDRESS}    alias=board
    Open Console    driver=vm.console    connect_later=True
    Boot To U-Boot    wait=200ms

Stop The Board
    [Documentation]    Off, with the whole transcript beside the log.
    Save Console Log    ${OUTPUT DIR}/transcript.txt
    Power Off

Reset The Board
    [Documentation]    Without power: the console stays.
    Mark Console    before reset
    Write Line To Console And Wait    reset    ^U-Boot 20\\d\\d    match=REGEX
    Stop Autoboot

Stop Autoboot
    [Documentation]    By hand, as a test would that looks at the countdown.
    Wait For Line On Console    Hit any key to stop autoboot
    Write To Console    ${SPACE}
    Wait For Prompt On Console    => $
