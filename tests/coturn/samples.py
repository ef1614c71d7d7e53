"""Configurations of coturn in the shape in which other projects document theirs."""

DENIED = """\
denied-peer-ip=0.0.0.0-0.255.255.255
denied-peer-ip=10.0.0.0-10.255.255.255
denied-peer-ip=100.64.0.0-100.127.255.255
denied-peer-ip=127.0.0.0-127.255.255.255
denied-peer-ip=169.254.0.0-169.254.255.255
denied-peer-ip=172.16.0.0-172.31.255.255
denied-peer-ip=192.0.0.0-192.0.0.255
denied-peer-ip=192.0.2.0-192.0.2.255
denied-peer-ip=192.88.99.0-192.88.99.255
denied-peer-ip=192.168.0.0-192.168.255.255
denied-peer-ip=198.18.0.0-198.19.255.255
denied-peer-ip=198.51.100.0-198.51.100.255
denied-peer-ip=203.0.113.0-203.0.113.255
denied-peer-ip=240.0.0.0-255.255.255.255
denied-peer-ip=::1
denied-peer-ip=64:ff9b::-64:ff9b::ffff:ffff
denied-peer-ip=::ffff:0.0.0.0-::ffff:255.255.255.255
denied-peer-ip=100::-100::ffff:ffff:ffff:ffff
denied-peer-ip=2001::-2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=2002::-2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
"""
"""What the guides have people deny."""

SYNAPSE = f"""\
use-auth-secret
static-auth-secret=n4r8vhqXuUZ3EBbmTzLeyQ7wCgJd2kfS
realm=turn.example.org

# VoIP traffic is all UDP: there is no reason to let clients connect to arbitrary TCP endpoints.
no-tcp-relay

# The server itself, so that client->TURN->TURN->client works.
allowed-peer-ip=10.0.0.1
{DENIED}
no-multicast-peers
user-quota=12
total-quota=1200

cert=/etc/letsencrypt/live/turn.example.org/fullchain.pem
pkey=/etc/letsencrypt/live/turn.example.org/privkey.pem
#no-tls
#no-dtls
external-ip=8.8.4.4/10.0.0.1
"""

NEXTCLOUD = """\
listening-port=5349
fingerprint
use-auth-secret
static-auth-secret=b52d8f1b9d7d0c2c9d2f6cd3b8c1f5aa
realm=cloud.example.org
total-quota=0
bps-capacity=0
stale-nonce
no-multicast-peers
cert=fullchain.pem
pkey="privkey.pem"
cipher-list="ECDHE-RSA-AES256-GCM-SHA512:DHE-RSA-AES256-GCM-SHA512"
listening-ip=8.8.4.4
listening-ip=2001:4860:4860::8844
"""

JITSI = f"""\
# Jitsi's configuration of coturn
use-auth-secret
keep-address-family
static-auth-secret=3pYH6vFsKkWn8QdZ
realm=meet.example.org
cert=/etc/jitsi/meet/meet.example.org.crt
pkey=/etc/jitsi/meet/meet.example.org.key
no-multicast-peers
no-cli
no-loopback-peers
no-tcp-relay
no-tcp
listening-port=3478
tls-listening-port=5349
no-tlsv1
no-tlsv1_1
# https://ssl-config.mozilla.org/
cipher-list=ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256
{DENIED}
syslog
external-ip=8.8.4.4
relay-ip=10.0.0.7
"""
