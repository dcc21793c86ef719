*** Settings ***
Documentation    One file store of upstream's exporter, through the keywords. The journal is compared with what that
...              driver exports.

Library          Collections
Library          OperatingSystem
Library          JumpstarterLibrary    timeout=20s    default_driver=%{STORE}

Suite Setup      Open Jumpstarter Session    %{STORAGE_ADDRESS}    upstream

*** Variables ***
${IMAGE}     %{IMAGE}
${PACKED}    %{PACKED}
${SHA256}    %{IMAGE_SHA256}
${STORE}     %{STORE}

*** Test Cases ***
Up
    ${sent} =    Upload File    ${IMAGE}    first/a file é.bin
    Should Be Equal    ${sent.sha256}    ${SHA256}
    Remote File Should Be Equal To Local File    first/a file é.bin    ${IMAGE}
    Get Remote File Hash    first/a file é.bin    ==    ${SHA256}
    Get Remote File Size    first/a file é.bin    ==    ${sent.size}

And Down
    Upload File    ${IMAGE}    down.bin
    Download File    down.bin    ${OUTPUT DIR}/down.bin    verify=True
    Should Be True    ${{ pathlib.Path($OUTPUT_DIR, 'down.bin').read_bytes() == pathlib.Path($IMAGE).read_bytes() }}

Unpacked
    Upload File    ${PACKED}    unpacked    unpack=True    verify=True    checksum=${SHA256}
    Remote File Should Be Equal To Local File    unpacked    ${IMAGE}
    Upload File    ${PACKED}    packed
    Remote File Should Be Equal To Local File    packed    ${PACKED}

Text
    Upload Text    täxt\n    text.txt
    Get Remote File    text.txt    ==    täxt\n
    ${bytes} =    Get Binary Remote File    text.txt
    Should Be Equal    ${bytes}    ${{ 'täxt\n'.encode() }}
    Get Remote File Hash    text.txt    ==    ${{ hashlib.md5($bytes).hexdigest() }}    algorithm=md5
    Upload Text    täxt    latin.txt    encoding=latin-1
    Get Remote File    latin.txt    ==    täxt    encoding=latin-1
    Run Keyword And Expect Error    TEST: 'latin.txt' is no UTF-8 text*    Get Remote File    latin.txt

Empty File
    Upload Text    ${EMPTY}    empty
    Get Remote File Size    empty    ==    0
    Get Remote File    empty    ==    ${EMPTY}

There Or Not
    Upload Text    one    facts/one.txt
    Remote File Should Exist    facts/one.txt
    Remote File Should Not Exist    facts/two.txt
    Run Keyword And Expect Error
    ...    DEVICE: There is no file 'facts/two.txt' in file store '${STORE}' of device 'upstream'.
    ...    Remote File Should Exist
    ...    facts/two.txt
    Run Keyword And Expect Error    DEVICE: There is no file 'facts' in *    Remote File Should Exist    facts
    Run Keyword And Expect Error    DEVICE: There is 'facts' in file store '${STORE}' of device 'upstream'.
    ...    Remote File Should Not Exist    facts

Facts
    Upload Text    one    facts/one.txt
    ${info} =    Get Remote File Info    facts/one.txt
    Should Be Equal    ${info.size}    ${3}
    Should Be True    not ${info.is_directory}
    ${info} =    Get Remote File Info    facts
    Should Be True    ${info.is_directory}
    Run Keyword And Expect Error    *have the same size and different content.
    ...    Remote File Should Be Equal To Local File    facts/one.txt    %{OTHER_TEXT}
    Run Keyword And Expect Error    * has 3 bytes, and *
    ...    Remote File Should Be Equal To Local File    facts/one.txt    ${IMAGE}

What Is Not There
    Run Keyword And Expect Error    DEVICE: There is no file 'nothing' in driver '${STORE}' of device 'upstream'.
    ...    Get Remote File Size    nothing
    Run Keyword And Expect Error    DEVICE: There is no file 'nothing'*
    ...    Download File    nothing    ${OUTPUT DIR}/nothing
    File Should Not Exist    ${OUTPUT DIR}/nothing
    Create Remote Directory    folder
    Run Keyword And Expect Error    TEST: 'folder' in driver '${STORE}'*is a directory*    Get Remote File    folder
    Run Keyword And Expect Error    DEVICE: *there is no directory 'nowhere'.    List Remote Directory    nowhere

What Leads Out
    Run Keyword And Expect Error    TEST: *leads out of*    Upload Text    x    ../outside.txt
    Run Keyword And Expect Error    TEST: *leads out of*    Remove Remote Directory    a/../..    recursive=True
    Run Keyword And Expect Error    TEST: *the whole store*    Remove Remote Directory    /    recursive=True

Directories
    [Setup]    Make A Tree
    ${names} =    List Remote Directory    tree
    Should Be Equal    ${names}    ${{ ['a.txt', 'b.log', 'empty/', 'sub/'] }}
    ${names} =    List Remote Directory    tree/    pattern=*.log
    Should Be Equal    ${names}    ${{ ['b.log'] }}
    ${names} =    List Remote Directory    tree    recursive=True    pattern=*.log
    Should Be Equal    ${names}    ${{ ['b.log', 'sub/deep.log'] }}
    ${names} =    List Remote Directory    tree/empty
    Should Be Empty    ${names}
    ${names} =    List Remote Directory
    Should Contain    ${names}    tree/

Removing Directories
    [Setup]    Make A Tree
    Remove Remote Directory    tree/empty
    Remote File Should Not Exist    tree/empty
    Run Keyword And Expect Error    TEST: *is not empty*recursive=True*    Remove Remote Directory    tree
    Remove Remote Directory    tree    recursive=True
    Remote File Should Not Exist    tree
    Remove Remote Directory    tree

Copying And Moving
    Upload File    ${IMAGE}    old.bin
    Copy Remote File    old.bin    copies/new.bin
    Remote File Should Be Equal To Local File    copies/new.bin    ${IMAGE}
    Move Remote File    copies/new.bin    moved.bin
    Remote File Should Be Equal To Local File    moved.bin    ${IMAGE}
    Remote File Should Not Exist    copies/new.bin
    Run Keyword And Expect Error    DEVICE: There is no file 'gone.bin'*    Copy Remote File    gone.bin    other.bin
    Run Keyword And Expect Error    TEST: *source and target*    Move Remote File    old.bin    old.bin
    Remote File Should Exist    old.bin

Removing Files
    Upload Text    x    removed.txt
    Remove Remote File    removed.txt
    Remote File Should Not Exist    removed.txt
    Remove Remote File    removed.txt
    Create Remote Directory    folder
    Run Keyword And Expect Error    TEST: *is a directory*    Remove Remote File    folder

Presigned URLs
    FOR    ${operation}    IN    read    write    stat
        Run Keyword And Expect Error    DEVICE: *this store cannot make URLs*
        ...    Get Presigned URL    a.bin    operation=${operation}
    END

Open Files
    Upload Text    0123456789    open.bin
    ${file} =    Call Driver Method    open    open.bin    rb
    FOR    ${method}    IN    file_readable    file_seekable    file_writable
        Call Driver Method    ${method}    ${file}
    END
    Call Driver Method    file_seek    ${file}    ${4}
    ${position} =    Call Driver Method    file_tell    ${file}
    Should Be Equal    ${position}    ${4}
    Call Driver Method    file_close    ${file}
    ${closed} =    Call Driver Method    file_closed    ${file}
    Should Be True    ${closed}

What Else A Store Has
    Upload Text    x    created.txt
    Call Driver Method    register_path    elsewhere
    ${created} =    Call Driver Method    get_created_resources
    List Should Contain Value    ${created}    created.txt
    ${able} =    Call Driver Method    capability
    Should Be True    ${able.read}

*** Keywords ***
Make A Tree
    [Documentation]    Makes a directory with files and directories in it.
    Create Remote Directory    tree/empty
    Upload Text    b    tree/b.log
    Upload Text    a    tree/a.txt
    Upload Text    deep    tree/sub/deep.log
