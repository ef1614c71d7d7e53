/* What the daemon and the program share: the maps. layout.py describes the same structures, and a
 * test compares the two through the object's type information.
 *
 * A route is found in two steps: `routes` gives a slot, the slot holds the route. The kernel gives
 * the memory of a deleted hash element to the next one at once, while a program on another CPU may
 * still be reading it, and a packet would go into somebody else's call. A slot says whose it is, and
 * the daemon lets it rest before it is used again. It is also mapped into the daemon's memory: a
 * refreshed or ended route is one store. */

#pragma once

#include "bpf.h"

#define LAYOUT 3 /* changes with the meaning of any map: another layout is never adopted */
#define ROUTES_MAX 131072 /* of 65,536 calls of two; what is more stays in user space */
#define LEGS_MAX 131072
#define LISTENERS_MAX 65536 /* every relayed port, and some */
#define DROP_REASONS_MAX 64

#define NO_CHANNEL 0 /* relay/effects.py: of an end at a relayed port, which knows no TURN */

/* How an end has its data: with NO_PEER on a channel, or as it is; else in indications that name the
 * other end's relayed address, whose port stands in place of the channel. RFC 8489 section 14.1. */
#define NO_PEER 0
#define PEER_IPV4 1
#define PEER_IPV6 2

enum drop_reason { /* relay/errors.py */
    OVER_BITRATE = 14,
    OVER_PACKETS = 15,
    SEND_FAILED = 19,
    OWN_SOURCE = 21,
};

/* IPv4 as ::ffff:a.b.c.d. */
struct address {
    __u32 words[4];
};

struct route_key {
    struct address source; /* the client */
    struct address server; /* the relay's address it sends to */
    __be16 source_port;
    __be16 server_port;
    __be16 channel; /* or NO_CHANNEL, or the peer's port */
    __u16 peer_family;
};

struct route {
    __u64 expires_ns; /* CLOCK_MONOTONIC, like every time here; 0: it is over */
    struct route_key key;
    struct address target; /* the client that receives */
    struct address server; /* the relay's address it knows */
    __be16 target_port;
    __be16 server_port;
    __be16 channel;
    __u16 mtu; /* of the path; a larger IP packet goes up */
    __u32 ifindex;
    __u32 leg; /* the sender's, whose caps apply */
    __u16 target_peer_family;
    __u16 zero[3];
};

struct leg {
    __u64 ns_per_kib;
    __u64 ns_per_packet;
    __u64 byte_due_ns;
    __u64 packet_due_ns;
    __u64 packets;
    __u64 bytes; /* of payload */
    __u64 dropped;
    __u64 digest; /* by which a daemon that starts again knows the leg */
};

struct config {
    __u64 lease_until_ns; /* the daemon keeps it ahead of the clock; when it is over, all goes up */
    __u64 burst_ns;
    __u64 layout;
    __u64 clock_ns; /* what time it is, in tests */
    struct address relayed4; /* of every relayed address; zero where there is none */
    struct address relayed6;
};

struct totals {
    __u64 packets;
    __u64 bytes; /* of payload */
};

/* The relay's own, relayed ports while they are open: nothing from outside may claim to come from one. */
struct listener {
    struct address address;
    __be16 port;
    __u16 zero;
};

_Static_assert(sizeof(struct route_key) == 40, "ROUTE_KEY");
_Static_assert(sizeof(struct route) == 104, "ROUTE");
_Static_assert(sizeof(struct leg) == 64, "LEG, one cache line");
_Static_assert(sizeof(struct config) == 64, "CONFIG");
_Static_assert(sizeof(struct totals) == 16, "TOTALS");
_Static_assert(sizeof(struct listener) == 20, "LISTENER");

/* Allocated at once: elements that lie side by side save a quarter of the time where many routes
 * are in use and none is in the processor's cache. */
struct {
    INTEGER(type, BPF_MAP_TYPE_HASH);
    INTEGER(max_entries, ROUTES_MAX);
    TYPE(key, struct route_key);
    TYPE(value, __u32);
} routes SEC(".maps");

struct {
    INTEGER(type, BPF_MAP_TYPE_ARRAY);
    INTEGER(map_flags, BPF_F_MMAPABLE);
    INTEGER(max_entries, ROUTES_MAX);
    TYPE(key, __u32);
    TYPE(value, struct route);
} slots SEC(".maps");

struct {
    INTEGER(type, BPF_MAP_TYPE_ARRAY);
    INTEGER(map_flags, BPF_F_MMAPABLE);
    INTEGER(max_entries, LEGS_MAX);
    TYPE(key, __u32);
    TYPE(value, struct leg);
} legs SEC(".maps");

struct {
    INTEGER(type, BPF_MAP_TYPE_ARRAY);
    INTEGER(map_flags, BPF_F_MMAPABLE);
    INTEGER(max_entries, 1);
    TYPE(key, __u32);
    TYPE(value, struct config);
} config SEC(".maps");

struct {
    INTEGER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    INTEGER(max_entries, 1);
    TYPE(key, __u32);
    TYPE(value, struct totals);
} totals SEC(".maps");

struct { /* by enum drop_reason */
    INTEGER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    INTEGER(max_entries, DROP_REASONS_MAX);
    TYPE(key, __u32);
    TYPE(value, __u64);
} drops SEC(".maps");

struct {
    INTEGER(type, BPF_MAP_TYPE_HASH);
    INTEGER(map_flags, BPF_F_NO_PREALLOC);
    INTEGER(max_entries, LISTENERS_MAX);
    TYPE(key, struct listener);
    TYPE(value, __u32);
} listeners SEC(".maps");
