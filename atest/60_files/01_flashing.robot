*** Settings ***
Documentation    Flashing the simulated board, and partitions of a flasher.

Library          OperatingSystem
Library          JumpstarterLibrary

Suite Setup      Make An Image
Test Teardown    Close All Jumpstarter Sessions

*** Variables ***
${IMAGE}     ${OUTPUT DIR}/flashing/image
${SHA256}    ${{ hashlib.sha256(b'version=2.4.1\npayload\n').hexdigest() }}

*** Test Cases ***
The Board Boots What Was Flashed
    Open Jumpstarter Session    mock
    Open Console
    Flash Image    ${IMAGE}    verify=True
    Power On
    Wait For Line On Console    Welcome to SimBoard 2.4.1
    Power Off

The Board Boots What Was Flashed Compressed
    Open Jumpstarter Session    mock
    Open Console
    Evaluate    pathlib.Path($IMAGE + '.img').write_bytes(lzma.compress(pathlib.Path($IMAGE).read_bytes()))
    ${written} =    Flash Image    ${IMAGE}.img    checksum=${SHA256}
    Should Be Equal    ${written.sha256}    ${SHA256}
    Power On
    Wait For Line On Console    Welcome to SimBoard 2.4.1
    Power Off

The Card Is With The Device Afterwards
    Open Jumpstarter Session    mock
    Card Should Be At    dut
    Connect Storage To Host
    Card Should Be At    host
    Disconnect Storage
    Card Should Be At    off
    Write Image To Storage    ${IMAGE}
    Card Should Be At    dut
    Read Image From Storage    ${OUTPUT DIR}/flashing/card    checksum=${SHA256}
    Card Should Be At    dut

Also After An Error, Which Says So
    Open Jumpstarter Session    mock
    Run Keyword And Expect Error    DEVICE: *14 bytes*expected*The card is connected to the dut again.
    ...    Read Image From Storage    ${OUTPUT DIR}/flashing/none    size=100
    File Should Not Exist    ${OUTPUT DIR}/flashing/none
    Card Should Be At    dut

What Is Not There Is Noticed Before Anything Is Written
    Open Jumpstarter Session    mock:lab
    Run Keyword And Expect Error    CONFIGURATION: There is no file '${IMAGE}.missing'*
    ...    Flash Images    boot=${IMAGE}    root=${IMAGE}.missing
    Run Keyword And Expect Error    DEVICE: *nothing was flashed into 'boot'*
    ...    Dump Image    ${OUTPUT DIR}/flashing/boot    target=boot

A Failure Among Several Says What Was Written
    Open Jumpstarter Session    mock:lab
    Evaluate    pathlib.Path($IMAGE + '.gz').write_bytes(gzip.compress(os.urandom(99999))[:-9])
    Run Keyword And Expect Error
    ...    CONFIGURATION: Cannot unpack *Written before: boot. Not written, or not completely: root, data.
    ...    Flash Images    boot=${IMAGE}    root=${IMAGE}.gz    data=${IMAGE}
    Dump Image    ${OUTPUT DIR}/flashing/boot    target=boot    checksum=${SHA256}

Several Targets
    Open Jumpstarter Session    mock:lab
    ${written} =    Flash Images    boot=${IMAGE}    root.fs=${IMAGE}    verify=True
    Should Be Equal    ${{ list($written) }}    ${{ ['boot', 'root.fs'] }}
    Run Keyword And Expect Error    TEST: Flash Images needs at least one image*    Flash Images

A Wrong Checksum
    Open Jumpstarter Session    mock
    Run Keyword And Expect Error    CONFIGURATION: The sha256 checksum of '${IMAGE}' is wrong*
    ...    Flash Image    ${IMAGE}    checksum=sha256:${{ 'ab' * 32 }}
    Card Should Be At    dut

From The Web
    Open Jumpstarter Session    mock:lab    lab
    ${url} =    Serve File Over HTTP    ${IMAGE}
    Flash Image    ${url}    checksum=${SHA256}    verify=True
    Flash Image    ${url}    target=other    by_exporter=True
    Dump Image    ${OUTPUT DIR}/flashing/other    target=other    checksum=${SHA256}

*** Keywords ***
Make An Image
    [Documentation]    An image that the simulated board boots; it has a version in its first line.
    Create File    ${IMAGE}    version=2.4.1\npayload\n

Card Should Be At
    [Documentation]    Asks the simulated multiplexer where its card is.
    [Arguments]    ${side}
    ${found} =    Call Driver Method    get_side    driver=storage
    Should Be Equal    ${found}    ${side}
