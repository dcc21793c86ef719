*** Settings ***
Documentation    The card of the simulated board: what is flashed is what boots.

Library          Collections
Library          OperatingSystem
Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock    alias=board    consoles=console
Test Setup       Power Off

*** Test Cases ***
The Flashed Version Boots
    Flash Version    2.4.1
    Power On
    ${welcome} =    Wait For Line On Console    Welcome to SimBoard (\\S+)    match=REGEX    since=power on
    Should Be Equal    ${welcome.groups}[0]    2.4.1
    Login To Console    root    sesame
    ${release} =    Execute Console Command    cat /etc/os-release    expected_rc=0
    Should Contain    ${release.stdout}    VERSION_ID=2.4.1

Flashing A Running Board Counts From The Next Boot
    Flash Version    3.0
    Power On
    Wait For Line On Console    Welcome to SimBoard 3.0    since=power on
    Flash Version    3.1
    Wait For Line On Console    mmc0: card removed
    Power Cycle And Wait For Line On Console    Welcome to SimBoard 3.1    wait=100ms

What Is No Image Stays In The Boot Loader
    [Template]    The Board Should Not Boot
    ${EMPTY}    the card is empty
    something else\n    bad image: no version in its first line
    version=2.0\nsize=999\n    image is cut: 21 of 999 bytes

Without The Card It Does Not Boot Until The Card Is Back
    Flash Version    4.0
    Connect Storage To Host
    Power On
    Wait For Line On Console    Loading the kernel: no card in slot mmc0    since=power on
    Connect Storage To Dut
    Wait For Prompt On Console    => $
    Write Line To Console    boot
    Wait For Line On Console    Welcome to SimBoard 4.0

Taking The Card Away Breaks What Runs
    Flash Version    5.0
    Power On
    Login To Console    root    sesame
    Disconnect Storage
    Wait For Line On Console    I/O error, dev mmcblk0
    Execute Console Command    cat /etc/os-release    expected_rc=1
    [Teardown]    Connect Storage To Dut

The Card Cannot Be Written While The Board Has It
    Run Keyword And Expect Error    DEVICE: *the card is connected to 'dut'; connect it to 'host' first*
    ...    Write Without Switching

*** Keywords ***
Flash Version
    [Documentation]    Flashes an image: any file whose first line names the version.
    [Arguments]    ${version}
    Create File    ${OUTPUT DIR}/system.img    version=${version}\nsystem
    Flash Image    ${OUTPUT DIR}/system.img

The Board Should Not Boot
    [Documentation]    Flashes something, and expects the boot loader to refuse it.
    [Arguments]    ${content}    ${problem}
    Create File    ${OUTPUT DIR}/broken.img    ${content}
    Flash Image    ${OUTPUT DIR}/broken.img
    Power Cycle And Wait For Line On Console    Loading the kernel: ${problem}    wait=50ms
    Wait For Line On Console    Error: nothing to boot
    Wait For Prompt On Console    => $

Write Without Switching
    [Documentation]    The driver's own method: the keywords move the card to the host by themselves.
    Create File    ${OUTPUT DIR}/system.img    version=6.0\n
    Upload With Driver Method    write    ${OUTPUT DIR}/system.img    driver=storage
