*** Settings ***
Documentation    Storage and file servers of upstream's exporter, through the keywords. The journal is compared with
...              what those drivers export.

Library          OperatingSystem
Library          Process
Library          JumpstarterLibrary    timeout=20s

Suite Setup      Open Jumpstarter Session    %{STORAGE_ADDRESS}    upstream

*** Variables ***
${IMAGE}     %{IMAGE}
${PACKED}    %{PACKED}
${SHA256}    %{IMAGE_SHA256}

*** Test Cases ***
Flasher
    ${written} =    Flash Image    ${IMAGE}    target=boot    checksum=${SHA256}    verify=True    driver=flasher
    Should Be Equal    ${written.sha256}    ${SHA256}
    ${read} =    Dump Image    ${OUTPUT DIR}/boot.bin    target=boot    checksum=${SHA256}    driver=flasher
    Should Be Equal    ${read.size}    ${written.size}
    Should Have The Same Content    ${OUTPUT DIR}/boot.bin    ${IMAGE}

Flasher With Compressed Image
    Flash Image    ${PACKED}    checksum=${SHA256}    verify=True    driver=flasher
    Dump Image    ${OUTPUT DIR}/unpacked.bin    checksum=${SHA256}    driver=flasher

Flasher With Several Targets
    ${written} =    Flash Images    root=${PACKED}    OVMF_CODE.fd=${IMAGE}    driver=flasher    verify=True
    Should Be Equal    ${{ list($written) }}    ${{ ['root', 'OVMF_CODE.fd'] }}
    Dump Image    ${OUTPUT DIR}/root.bin    target=root    checksum=${SHA256}    driver=flasher
    Run Keyword And Expect Error
    ...    DEVICE: dump() on driver 'flasher'*
    ...    Dump Image
    ...    ${OUTPUT DIR}/nothing.bin
    ...    target=nothing
    ...    driver=flasher
    File Should Not Exist    ${OUTPUT DIR}/nothing.bin

Flasher Without Image
    Run Keyword And Expect Error    CONFIGURATION: There is no file '/no/such.img'*
    ...    Flash Images    root=${IMAGE}    boot=/no/such.img    driver=flasher
    Run Keyword And Expect Error    CONFIGURATION: The sha256 checksum of*
    ...    Flash Image    ${IMAGE}    checksum=${{ 'ab' * 32 }}    driver=flasher

Storage Mux
    FOR    ${mux}    IN    mux    card
        Connect Storage To Host    driver=${mux}
        Write Image To Storage    ${IMAGE}    verify=True    driver=${mux}
        Read Image From Storage    ${OUTPUT DIR}/${mux}.bin    checksum=${SHA256}    driver=${mux}
        Flash Image    ${PACKED}    verify=True    driver=${mux}
        Dump Image    ${OUTPUT DIR}/${mux}.bin    checksum=${SHA256}    driver=${mux}
        Should Have The Same Content    ${OUTPUT DIR}/${mux}.bin    ${IMAGE}
        Connect Storage To Dut    driver=${mux}
        Disconnect Storage    driver=${mux}
    END
    Run Keyword And Expect Error    TEST: *a storage mux has one card and no targets*
    ...    Flash Image    ${IMAGE}    target=root    driver=mux

Image From The Web
    ${url} =    Serve File Over HTTP    ${PACKED}    name=packed
    Flash Image    ${url}    checksum=${SHA256}    verify=True    driver=flasher
    ${url} =    Serve File Over HTTP    ${IMAGE}    name=plain
    Flash Image    ${url}    by_exporter=True    target=fetched    driver=flasher
    Dump Image    ${OUTPUT DIR}/fetched.bin    target=fetched    checksum=${SHA256}    driver=flasher
    Flash Image    ${url}    by_exporter=True    driver=card
    Dump Image    ${OUTPUT DIR}/fetched.bin    checksum=${SHA256}    driver=card
    Run Keyword And Expect Error    TEST: by_exporter=True leaves nothing to compare*
    ...    Flash Image    ${url}    by_exporter=True    verify=True    driver=flasher
    Run Keyword And Expect Error    CONFIGURATION: *
    ...    Flash Image    ${IMAGE}    by_exporter=True    driver=flasher
    [Teardown]    Stop HTTP Server

HTTP Server
    ${url} =    Serve File Over HTTP    ${IMAGE}    name=sub/an image.bin
    Fetch    ${url}    ${OUTPUT DIR}/from-http.bin
    Should Have The Same Content    ${OUTPUT DIR}/from-http.bin    ${IMAGE}
    Should Be Equal    ${url.partition('/sub')}[2]    /an%20image.bin
    [Teardown]    Stop HTTP Server

HTTP Server Starts And Stops
    ${base} =    Start HTTP Server
    ${again} =    Start HTTP Server
    Should Be Equal    ${base}    ${again}
    ${again} =    Get HTTP Server URL
    Should Be Equal    ${base}    ${again}
    Call Driver Method    get_host    driver=http
    Stop HTTP Server
    Run Keyword And Expect Error    DEVICE: get_url() on driver 'http'*Start the server first.
    ...    Get HTTP Server URL
    ${process} =    Run Process    curl    --silent    --fail    --max-time    5    ${base}/
    Should Not Be Equal    ${process.rc}    ${0}

TFTP Server
    ${url} =    Serve File Over TFTP    ${IMAGE}    name=kernel.bin
    Should Match    ${url}    tftp://127.0.0.1:*/kernel.bin
    Wait Until Keyword Succeeds    10s    200ms    Fetch    ${url}    ${OUTPUT DIR}/from-tftp.bin
    Should Have The Same Content    ${OUTPUT DIR}/from-tftp.bin    ${IMAGE}
    ${base} =    Start TFTP Server
    ${again} =    Get TFTP Server URL
    Should Be Equal    ${base}    ${again}
    Stop TFTP Server
    Stop TFTP Server

*** Keywords ***
Should Have The Same Content
    [Documentation]    Compares two local files.
    [Arguments]    ${first}    ${second}
    Should Be True    ${{ pathlib.Path($first).read_bytes() == pathlib.Path($second).read_bytes() }}

Fetch
    [Documentation]    Fetches a URL with a client that knows nothing of Jumpstarter.
    [Arguments]    ${url}    ${file}
    ${process} =    Run Process
    ...    curl
    ...    --silent
    ...    --show-error
    ...    --fail
    ...    --max-time
    ...    10
    ...    --output
    ...    ${file}
    ...    ${url}
    Should Be Equal    ${process.rc}    ${0}    ${process.stderr}
