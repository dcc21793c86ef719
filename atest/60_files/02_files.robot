*** Settings ***
Documentation    Files beside the device.

Library          OperatingSystem
Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock

*** Test Cases ***
Up And Down
    Upload File    ${CURDIR}/02_files.robot    suites/files.robot
    Remote File Should Be Equal To Local File    suites/files.robot    ${CURDIR}/02_files.robot
    Download File    suites/files.robot    ${OUTPUT DIR}/downloaded.robot    verify=True
    ${sent} =    Get File    ${CURDIR}/02_files.robot
    ${received} =    Get File    ${OUTPUT DIR}/downloaded.robot
    Should Be Equal    ${sent}    ${received}

Text
    Upload Text    öl: 80 %\n    sensors/oil
    Get Remote File    sensors/oil    ==    öl: 80 %\n
    Get Remote File    sensors/oil    contains    80
    Get Remote File Size    sensors/oil    >    8
    Run Keyword And Expect Error    DEVICE: Size of 'sensors/oil': '10' (int) should be less than '5' (int)
    ...    Get Remote File Size    sensors/oil    <    5

Looking Around
    Upload Text    1    logs/today/a.log
    Upload Text    2    logs/today/b.txt
    ${names} =    List Remote Directory    logs    recursive=True
    Should Be Equal    ${names}    ${{ ['today/', 'today/a.log', 'today/b.txt'] }}
    ${names} =    List Remote Directory    logs/today    pattern=*.log
    Should Be Equal    ${names}    ${{ ['a.log'] }}
    Remote File Should Exist    logs/today/a.log
    Remote File Should Not Exist    logs/today/c.log

Checks Fail With A Failure Class
    Run Keyword And Expect Error    DEVICE: There is no file 'nothing' in file store 'files' of device 'mock'.
    ...    Remote File Should Exist    nothing
    Run Keyword And Expect Error    DEVICE: Where is it?    Remote File Should Exist    nothing    message=Where is it?
    Run Keyword And Expect Error    DEVICE: There is no file 'nothing' in driver 'files' of device 'mock'.
    ...    Get Remote File    nothing

Tidying Up
    Upload Text    x    work/old.txt
    Move Remote File    work/old.txt    work/new.txt
    Copy Remote File    work/new.txt    work/copy.txt
    Remove Remote File    work/new.txt
    Run Keyword And Expect Error    TEST: *not empty*    Remove Remote Directory    work
    Remove Remote Directory    work    recursive=True
    Remote File Should Not Exist    work
    Remove Remote File    work/new.txt
    Remove Remote Directory    work
