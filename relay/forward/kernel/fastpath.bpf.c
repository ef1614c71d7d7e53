/* The kernel fast path: ChannelData and indications from one client to another, as
 * relay/forward/user/udp.py forwards them, and whole datagrams that come to a relayed port or leave by
 * one, as relay/forward/user/port.py does.
 *
 * Attached to tc ingress. A packet that is not exactly understood, or has no live route, goes up to
 * Python: nothing here decides about TURN or ICE. What leaves has an IP header written anew, so
 * nothing of the sender's own (TTL, DSCP, IP-ID, flow label, reserved bits) can show through.
 *
 *   parse -> route? -> live? -> fits? -> right checksum? -> within caps? -> rewrite -> count -> send
 *     |        |         |        |            |                |             |
 *     up    up/drop      up       up           up              drop          drop
 *
 * A route is found by client and channel where the packet looks like ChannelData; by client and peer
 * where it is a Send indication; else, but for other STUN, by client and relayed port.
 */

#include "checksum.h"
#include "indication.h"
#include "layout.h"
#include "packet.h"

#define UP TC_ACT_UNSPEC /* not ours: the next filter's, or the stack's */
#define LOOPBACK 1       /* the interface index of `lo`, in every network namespace */

/* Set before loading and constant from then on: the verifier leaves out what it disables. */
const volatile __u32 clock_is_config = 0;

NOINLINE int drop(enum drop_reason reason)
{
    __u32 index = reason;
    __u64 *count = bpf_map_lookup_elem(&drops, &index);

    if (count)
        (*count)++;
    return TC_ACT_SHOT;
}

/* CHANNELS in relay/stun/demux.py. Padding, which ChannelData over UDP may have, is not understood:
 * the user path cuts it off.
 */
INLINE int is_channel_data(const struct packet *packet)
{
    return (packet->key.channel & HTONS(0xc000)) == HTONS(0x4000) &&
           packet->udp_size == PORTS_AND_CHANNEL_SIZE + packet->payload;
}

/* STUN in relay/stun/demux.py. What begins so never crosses as it is. */
INLINE int is_stun(const struct packet *packet)
{
    return *(const __u8 *)&packet->key.channel <= 3;
}

/* Over loopback the relay's address is its clients' address too. */
INLINE int claims_own_source(const struct __sk_buff *skb, const struct packet *packet)
{
    struct listener source = {.address = packet->key.source, .port = packet->key.source_port};

    return skb->ifindex != LOOPBACK && bpf_map_lookup_elem(&listeners, &source);
}

/* --- Whether it may pass ----------------------------------------------------------------------- */

INLINE int is_same_key(const struct route_key *one, const struct route_key *other)
{
    const __u64 *left = (const void *)one, *right = (const void *)other;

    return !((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2]) | (left[3] ^ right[3]) |
             (left[4] ^ right[4]));
}

INLINE const struct route *look_up(const struct packet *packet)
{
    const __u32 *slot = bpf_map_lookup_elem(&routes, &packet->key);
    const struct route *route = slot ? bpf_map_lookup_elem(&slots, slot) : 0;

    return route && is_same_key(&route->key, &packet->key) ? route : 0;
}

/* What looks like ChannelData may be anything on a relayed port. One port of the relay has routes
 * with channels or one without, never both. */
INLINE const struct route *find_route(struct __sk_buff *skb, struct packet *packet)
{
    const struct route *route = is_channel_data(packet) ? look_up(packet) : 0;

    if (route)
        return route;
    if (is_stun(packet))
        return packet->key.channel == SEND && parse_send(skb, packet) ? look_up(packet) : 0;
    packet->key.channel = NO_CHANNEL;
    packet->head = 0;
    packet->payload = packet->udp_size - sizeof(struct udphdr);
    return look_up(packet);
}

INLINE __u64 later(__u64 one, __u64 other)
{
    return one > other ? one : other;
}

/* Generic cell rates, number for number those of Meter.charge in relay/forward/meter.py. Two CPUs
 * that charge one leg at the same instant may charge it for one packet only; a flow stays on one
 * CPU, and a leg has few flows. Returns 0 or the reason to drop. */
INLINE enum drop_reason charge(struct leg *leg, __u64 payload, __u64 now_ns, __u64 burst_ns)
{
    __u64 limit_ns = now_ns + burst_ns;
    __u64 byte_due_ns = later(leg->byte_due_ns, now_ns) + (payload * leg->ns_per_kib >> 10);
    __u64 packet_due_ns = later(leg->packet_due_ns, now_ns) + leg->ns_per_packet;

    if (byte_due_ns > limit_ns || packet_due_ns > limit_ns) {
        __sync_fetch_and_add(&leg->dropped, 1);
        return byte_due_ns > limit_ns ? OVER_BITRATE : OVER_PACKETS;
    }
    leg->byte_due_ns = byte_due_ns;
    leg->packet_due_ns = packet_due_ns;
    __sync_fetch_and_add(&leg->packets, 1);
    __sync_fetch_and_add(&leg->bytes, payload);
    return 0;
}

/* --- What goes out ----------------------------------------------------------------------------- */

INLINE void write_ipv4(struct iphdr *ip, const struct route *route, __u16 size)
{
    *(__u16 *)ip = HTONS(0x4500); /* version, header length, DSCP and ECN 0 */
    ip->tot_len = HTONS(size);
    ip->id = 0;
    ip->frag_off = HTONS(DONT_FRAGMENT);
    ip->ttl = HOP_LIMIT;
    ip->protocol = IPPROTO_UDP;
    ip->saddr = route->server.words[3];
    ip->daddr = route->target.words[3];
    __u64 total = (__u64)HTONS(0x4500) + ip->tot_len + HTONS(DONT_FRAGMENT) +
                  HTONS(HOP_LIMIT << 8 | IPPROTO_UDP) + ip->saddr + ip->daddr;
    ip->check = ~fold_to_16(fold_to_32(total));
}

INLINE void write_ipv6(struct ipv6hdr *ip, const struct route *route, __u16 udp_size)
{
    *(__u32 *)ip = 0x60; /* version, traffic class and flow label 0 */
    ip->payload_len = HTONS(udp_size);
    ip->nexthdr = IPPROTO_UDP;
    ip->hop_limit = HOP_LIMIT;
    __builtin_memcpy(&ip->saddr, &route->server, sizeof(ip->saddr));
    __builtin_memcpy(&ip->daddr, &route->target, sizeof(ip->daddr));
}

/* Returns 0, or an error after which the packet is neither the old one nor the new one. */
INLINE long rewrite(struct __sk_buff *skb, const struct packet *packet, const struct route *route,
                    __u32 ip_size, __u32 udp_size)
{
    const __u32 size = ETH_HLEN + ip_size + PORTS_AND_CHANNEL_SIZE;
    const __be16 protocol = ip_size == sizeof(struct iphdr) ? HTONS(ETH_P_IP) : HTONS(ETH_P_IPV6);
    const int reframed = is_reframed(packet, route);

    if (ip_size != packet->ip_size && bpf_skb_change_proto(skb, protocol, 0))
        return -1;
    if (reframed ? reframe(skb, packet, route, ip_size, udp_size)
                 : update_checksum(skb, packet, route, ip_size))
        return -1;
    if (!is_readable(skb, size))
        return -1;
    void *data = (void *)(long)skb->data;
    if (data + size > (void *)(long)skb->data_end)
        return -1;

    struct udphdr *udp = data + ETH_HLEN + ip_size;
    struct channel_data *message = (void *)(udp + 1);
    if (ip_size == sizeof(struct iphdr))
        write_ipv4(data + ETH_HLEN, route, ip_size + udp_size);
    else
        write_ipv6(data + ETH_HLEN, route, udp_size);
    udp->source = route->server_port;
    udp->dest = route->target_port;
    if (route->channel != NO_CHANNEL && !reframed)
        message->channel = route->channel;
    if (packet->card == HAS_SUMMED_UP &&
        (ip_size != sizeof(struct iphdr) || packet->ip_size != ip_size || reframed))
        renew_sum(skb, route, ip_size, udp_size);
    skb->mark = 0; /* routed as what the relay's own sockets send */
    return 0;
}

INLINE int forward(struct __sk_buff *skb, const struct packet *packet, const struct route *route,
                   __u32 ip_size, __u32 udp_size)
{
    __u32 zero = 0;
    struct totals *total = bpf_map_lookup_elem(&totals, &zero);

    if (total) {
        total->packets++;
        total->bytes += packet->payload;
    }
    if (rewrite(skb, packet, route, ip_size, udp_size))
        return drop(SEND_FAILED);
    return bpf_redirect_neigh(route->ifindex, 0, 0, 0);
}

SEC("tc")
int callveil(struct __sk_buff *skb)
{
    struct packet packet;
    __u32 zero = 0;

    if (!parse(skb, &packet))
        return UP;
    const struct route *route = find_route(skb, &packet);
    if (!route)
        return claims_own_source(skb, &packet) ? drop(OWN_SOURCE) : UP;

    struct config *settings = bpf_map_lookup_elem(&config, &zero);
    struct leg *leg = bpf_map_lookup_elem(&legs, &route->leg);
    if (!settings || !leg)
        return UP;
    __u64 now_ns = clock_is_config ? settings->clock_ns : bpf_ktime_get_ns();
    if (now_ns >= route->expires_ns || now_ns >= settings->lease_until_ns)
        return UP;
    __u32 ip_size = is_ipv4(&route->target) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
    __u32 udp_size = udp_size_of(&packet, route);
    if (ip_size + udp_size > route->mtu || udp_size < PORTS_AND_CHANNEL_SIZE ||
        !is_checksum_right(skb, &packet))
        return UP;
    if (packet.card == HAS_TO_COMPLETE && packet.head != head_of(route) && packet.payload > MOVED_MAX)
        return UP;

    enum drop_reason reason = charge(leg, packet.payload, now_ns, settings->burst_ns);
    if (reason)
        return drop(reason);
    /* Two copies, in each of which the size is a constant that the verifier knows. */
    if (ip_size == sizeof(struct iphdr))
        return forward(skb, &packet, route, sizeof(struct iphdr), udp_size);
    return forward(skb, &packet, route, sizeof(struct ipv6hdr), udp_size);
}

/* No helper called here asks for the GPL. */
char license_[] SEC("license") = "callveil";
