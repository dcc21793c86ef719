*** Settings ***
Documentation    The board's network: forwarded ports and sockets, connections, datagrams.

Library          JumpstarterLibrary

Suite Setup      Open Jumpstarter Session    mock
Test Teardown    Stop All Forwarding

*** Test Cases ***
A Page Through A Forwarded Port
    Power On
    ${web} =    Forward Port    driver=network.http
    ${page} =    Fetch    http://${web}/
    Should Contain    ${page}    SimBoard
    ${status} =    Fetch    http://${web.host}:${web.port}/status
    Should Contain    ${status}    "power": "on"
    Should Be Empty    ${web.failures}

A Board Without Power Refuses And The Forwarding Goes On
    Power Off
    ${web} =    Forward Port    driver=network.http
    Run Keyword And Expect Error    *reset*    Fetch    http://${web}/
    Wait Until Keyword Succeeds    3s    20ms    Should Not Be Empty    ${web.failures}
    Should Contain    ${web.failures}[0]    the board is off
    Power On
    ${page} =    Fetch    http://${web}/
    Should Contain    ${page}    SimBoard

Forwardings End
    ${echo} =    Forward Port    driver=network.echo
    ${socket} =    Forward Unix Socket    driver=network.echo
    Should Be True    os.path.exists($socket.address)
    Stop All Forwarding
    Should Not Be True    os.path.exists($socket.address)
    Run Keyword And Expect Error    *refused*    Fetch    http://${echo}/

Several Networks And None Named
    Run Keyword And Expect Error    CONFIGURATION:*network.echo*network.http*    Forward Port

Lines And Bytes Over A Connection
    Open Connection    driver=network.echo
    Send Data    first line\nsecond
    ${line} =    Receive Data    until=\n
    Should Be Equal    ${line}    first line\n
    ${rest} =    Receive Data    count=6
    Should Be Equal    ${rest}    second
    Run Keyword And Expect Error    DEVICE:*within 100 ms*    Receive Data    timeout=100ms
    [Teardown]    Close Connection

Datagrams Stay Apart
    ${echo} =    Open Connection    driver=network.echo
    Send Datagram    one    connection=${echo}
    Send Datagram    two    connection=${echo}
    ${one} =    Receive Datagram    connection=${echo}
    ${two} =    Receive Datagram    connection=${echo}
    Should Be Equal    ${one},${two}    one,two
    [Teardown]    Close Connection    ${echo}

*** Keywords ***
Fetch
    [Documentation]    Returns what a web server has at an address.
    [Arguments]    ${url}
    ${page} =    Evaluate    urllib.request.urlopen($url, timeout=20).read().decode()    modules=urllib.request
    RETURN    ${page}
