*** Settings ***
Documentation    File servers beside the device.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock:lab

*** Test Cases ***
HTTP
    ${url} =    Serve File Over HTTP    ${CURDIR}/03_servers.robot    name=suites/servers.robot
    Should End With    ${url}    /suites/servers.robot
    ${text} =    Evaluate    urllib.request.urlopen($url, timeout=5).read().decode()    modules=urllib.request
    Should Start With    ${text}    *** Settings ***
    ${base} =    Get HTTP Server URL
    Should Start With    ${url}    ${base}/
    Stop HTTP Server
    Run Keyword And Expect Error    DEVICE: *Start the server first.    Get HTTP Server URL

TFTP
    ${url} =    Serve File Over TFTP    ${CURDIR}/03_servers.robot
    Should Match    ${url}    tftp://127.0.0.1:*/03_servers.robot
    ${base} =    Start TFTP Server
    Should Start With    ${url}    ${base}/
    Stop TFTP Server

A Server's Store Has File Keywords Too
    Upload Text    hello    greeting.txt    driver=http.storage
    ${url} =    Start HTTP Server
    ${text} =    Evaluate    urllib.request.urlopen($url + '/greeting.txt', timeout=5).read()    modules=urllib.request
    Should Be Equal    ${text}    ${{ b'hello' }}
