*** Settings ***
Documentation    Every method of the drivers in upstream's smoke exporter, with its result or its error.
...              The journal that this run leaves behind is compared with what those drivers export.

Library          Collections
Library          JumpstarterLibrary    timeout=20s

Suite Setup      Open Jumpstarter Session    %{SMOKE_ADDRESS}    smoke

*** Variables ***
${NOWHERE}         00000000-0000-0000-0000-000000000001
&{NO_STREAM}       kind=client_stream    uuid=${NOWHERE}    x_jmp_content_encoding=${None}
&{NO_HANDLE}       kind=nonsense
@{TWO_READINGS}    ${{ {'voltage': 0, 'current': 0} }}    ${{ {'voltage': 5, 'current': 2} }}
&{CAN_MESSAGE}
...                timestamp=${0}
...                arbitration_id=${291}
...                is_extended_id=${False}
...                is_remote_frame=${False}
...                is_error_frame=${False}
...                channel=${None}
...                dlc=${2}
...                data=AQI=
...                is_fd=${False}
...                is_rx=${False}
...                bitrate_switch=${False}
...                error_state_indicator=${False}
${EMPTY_SHA256}    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
${EMPTY_MD5}       d41d8cd98f00b204e9800998ecf8427e

*** Test Cases ***
Power
    Call Gives    dut.power    on    ${None}
    Call Gives    dut.power    off    ${None}
    Stream Gives    dut.power    read    ${TWO_READINGS}

Alias Of Power
    Call Gives    alias    on    ${None}
    Stream Gives    alias    read    ${TWO_READINGS}
    Stream Gives    dut.uboot.power    read    ${TWO_READINGS}
    Call Gives    alias    off    ${None}

Wrong Kind Of Method
    Call Fails    dut.power    read    TEST: read() on driver 'dut.power'*not a unary method*Stream Driver Method*
    Stream Fails    dut.power    on    TEST: on() on driver 'dut.power'*not a streaming method*Call Driver Method*

Serial
    Call Gives    dut.serial    set_dtr    ${None}    ${True}
    Call Gives    dut.serial    set_rts    ${None}    ${False}
    Call Gives    dut.serial    close    ${None}

Storage Mux
    Call Gives    dut.mux    host    ${None}
    Call Fails    dut.mux    write    DEVICE: write() on driver 'dut.mux'*${NOWHERE}*    ${NO_STREAM}
    Call Fails    dut.mux    write    DEVICE: write() on driver 'dut.mux'*refused a value*kind*    ${NO_HANDLE}
    Call Fails    dut.mux    read    DEVICE: read() on driver 'dut.mux'*${NOWHERE}*    ${NO_STREAM}
    Call Gives    dut.mux    dut    ${None}
    Call Gives    dut.mux    off    ${None}

Flasher
    Call Fails    dut.flasher    flash    DEVICE: flash() on driver 'dut.flasher'*${NOWHERE}*    ${NO_STREAM}    boot
    Call Fails    dut.flasher    dump    DEVICE: dump() on driver 'dut.flasher'*${NOWHERE}*    ${NO_STREAM}    boot
    Call Fails    dut.flasher    flash    DEVICE: flash() on driver 'dut.flasher'*refused a value*kind*    ${NO_HANDLE}

File Opened For Writing
    ${file} =    Call Driver Method    open    a.bin    wb    driver=dut.files
    Call Gives    dut.files    file_writable    ${True}    ${file}
    Call Fails    dut.files    file_write    DEVICE: file_write() *${NOWHERE}*    ${file}    ${NO_STREAM}
    Call Gives    dut.files    file_closed    ${False}    ${file}
    Call Gives    dut.files    file_close    ${None}    ${file}
    Call Gives    dut.files    file_closed    ${True}    ${file}
    Call Fails    dut.files    open    DEVICE: open() on driver 'dut.files'*'rb' or 'wb'*    a.bin    r+

File Opened For Reading
    ${file} =    Call Driver Method    open    a.bin    rb    driver=dut.files
    Call Gives    dut.files    file_readable    ${True}    ${file}
    Call Gives    dut.files    file_seekable    ${True}    ${file}
    Call Gives    dut.files    file_seek    ${0}    ${file}    ${0}    ${2}
    Call Gives    dut.files    file_tell    ${0}    ${file}
    Call Fails    dut.files    file_read    DEVICE: file_read() *${NOWHERE}*    ${file}    ${NO_STREAM}
    Call Gives    dut.files    file_close    ${None}    ${file}

Facts About Files
    ${about} =    Call Driver Method    stat    a.bin    driver=dut.files
    Should Be Equal    ${about.content_length}    ${0}
    Should Be True    ${about.mode.entry_is_file}
    Call Gives    dut.files    hash    ${EMPTY_SHA256}    a.bin
    Call Gives    dut.files    hash    ${EMPTY_MD5}    a.bin    md5
    Call Fails    dut.files    stat    DEVICE: stat() on driver 'dut.files'*NotFound*    nothing

Files And Folders
    Call Gives    dut.files    copy    ${None}    a.bin    b.bin
    Call Gives    dut.files    rename    ${None}    b.bin    c.bin
    Call Gives    dut.files    exists    ${True}    c.bin
    Call Gives    dut.files    create_dir    ${None}    sub/
    Stream Gives    dut.files    list    ${{ ['sub/'] }}    sub/
    Stream Gives    dut.files    scan    ${{ ['sub/'] }}    sub/

What Was Created
    Call Gives    dut.files    register_path    ${None}    other/file
    ${created} =    Call Driver Method    get_created_resources    driver=dut.files
    Sort List    ${created}
    Should Be Equal    ${created}    ${{ ['a.bin', 'c.bin', 'other/file', 'sub'] }}
    Call Gives    dut.files    remove_all    ${None}    sub/
    Call Gives    dut.files    delete    ${None}    c.bin
    Call Gives    dut.files    exists    ${False}    c.bin

What A File Store Can Do
    ${able} =    Call Driver Method    capability    driver=dut.files
    Should Be True    ${able.copy}
    Should Be True    not ${able.presign}
    FOR    ${method}    IN    presign_stat    presign_read    presign_write
        Call Fails    dut.files    ${method}    DEVICE: ${method}()*Unsupported*    a.bin    ${60}
    END

Files In Memory
    Call Fails    dut.memory    copy    DEVICE: copy() on driver 'dut.memory'*    a.bin    b.bin
    Call Gives    dut.memory    exists    ${False}    a.bin

HTTP Server
    Call Gives    dut.http    get_host    127.0.0.1
    Call Gives    dut.http    get_port    ${0}
    Call Gives    dut.http    start    ${None}
    ${port} =    Call Driver Method    get_port    driver=dut.http
    Should Be True    ${port} > 0
    Call Gives    dut.http    get_url    http://127.0.0.1:${port}
    Call Gives    dut.http.storage    exists    ${False}    index.html
    Call Gives    dut.http    stop    ${None}

TFTP Server
    Call Gives    dut.tftp    start    ${None}
    Call Gives    dut.tftp    get_host    127.0.0.1
    ${port} =    Call Driver Method    get_port    driver=dut.tftp
    Should Be True    ${port} > 0
    Call Gives    dut.tftp    stop    ${None}

Shell
    Call Gives    dut.shell    get_methods    ${{ ['greet', 'fail'] }}
    ${parts} =    Stream Driver Method    call_method    greet    ${{ {} }}    world    driver=dut.shell
    Should Be Equal    ${{ ''.join(part[0] for part in $parts) }}    hello world\n
    Should Be Equal    ${parts}[-1][2]    ${0}
    ${parts} =    Stream Driver Method    call_method    fail    ${{ {} }}    driver=dut.shell
    Should Be Equal    ${parts}[-1][2]    ${3}
    Stream Fails    dut.shell    call_method    DEVICE: call_method()*'nope' not found*    nope    ${{ {} }}

CAN Bus
    Call Gives    dut.can0    channel_info    Virtual bus channel bus
    Call Gives    dut.can0    protocol    ${1}
    Call Gives    dut.can0    state    ${1}
    Call Fails    dut.can0    _apply_filters    DEVICE: _apply_filters()*without saying why.    ${None}
    Call Fails    dut.can0    flush_tx_buffer    DEVICE: flush_tx_buffer()*without saying why.

CAN Messages
    Call Gives    dut.can1    _recv_internal    ${{ [None, False] }}    ${0.01}
    Call Gives    dut.can0    send    ${None}    ${CAN_MESSAGE}    ${1}
    ${received} =    Call Driver Method    _recv_internal    ${5}    driver=dut.can1
    Should Be Equal    ${received}[0][arbitration_id]    ${291}
    Should Be Equal    ${received}[0][data]    AQI\=
    Call Fails    dut.can0    send    DEVICE: send() on driver 'dut.can0'*refused a value*    ${{ {} }}

CAN Messages Sent Over And Over
    ${task} =    Call Driver Method    _send_periodic_internal    ${{ [$CAN_MESSAGE] }}    ${0.01}    driver=dut.can0
    Call Gives    dut.can0    _start_task    ${None}    ${task}
    Call Gives    dut.can0    _stop_task    ${None}    ${task}
    Call Fails    dut.can0    _stop_task    DEVICE: _stop_task() on driver 'dut.can0'*    ${task}

CAN Bus Shut Down
    Call Gives    dut.can1    shutdown    ${None}

U-Boot Console
    Call Gives    dut.uboot    get_prompt    \n=>

Wrong Number Of Arguments
    Call Fails    dut.power    on    TEST: on() on driver 'dut.power'*wrong number of arguments*    ${1}

*** Keywords ***
Call Gives
    [Documentation]    Calls a unary method and compares its result.
    [Arguments]    ${driver}    ${method}    ${expected}    @{arguments}
    ${result} =    Call Driver Method    ${method}    @{arguments}    driver=${driver}
    Should Be Equal    ${result}    ${expected}

Call Fails
    [Documentation]    Calls a unary method, which must fail with an error like the pattern.
    [Arguments]    ${driver}    ${method}    ${pattern}    @{arguments}
    TRY
        Call Driver Method    ${method}    @{arguments}    driver=${driver}
    EXCEPT    ${pattern}    type=GLOB    AS    ${error}
        Log    ${error}
    ELSE
        Fail    ${method}() on ${driver} should have failed.
    END

Stream Gives
    [Documentation]    Calls a streaming method and compares all its values.
    [Arguments]    ${driver}    ${method}    ${expected}    @{arguments}
    ${values} =    Stream Driver Method    ${method}    @{arguments}    driver=${driver}
    Should Be Equal    ${values}    ${expected}

Stream Fails
    [Documentation]    Calls a streaming method, which must fail with an error like the pattern.
    [Arguments]    ${driver}    ${method}    ${pattern}    @{arguments}
    TRY
        Stream Driver Method    ${method}    @{arguments}    driver=${driver}
    EXCEPT    ${pattern}    type=GLOB    AS    ${error}
        Log    ${error}
    ELSE
        Fail    ${method}() on ${driver} should have failed.
    END
