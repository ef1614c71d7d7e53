/* Checksums of UDP: whether the one that came is right, and what becomes of it. */

#pragma once

#include "packet.h"
#include "sums.h"

#define CHUNK 256 /* summed up at a time, on the stack; media has one or five */

/* The sum over the datagram, of which a card has summed up nothing. */
NOINLINE __u32 sum_up(struct __sk_buff *skb, const struct packet *packet)
{
    __u32 chunk[CHUNK / sizeof(__u32)], sum = 0;
    __u32 at = ETH_HLEN + packet->ip_size, size = packet->udp_size;

    for (int i = 0; i < PACKET_SIZE_MAX / CHUNK && size >= CHUNK; i++) {
        if (bpf_skb_load_bytes(skb, at, chunk, CHUNK))
            return 0;
        sum = bpf_csum_diff(0, 0, chunk, CHUNK, sum);
        at += CHUNK;
        size -= CHUNK;
    }
    __builtin_memset(chunk, 0, CHUNK); /* what is after an odd byte counts as zero */
    size &= CHUNK - 1;
    if (size && bpf_skb_load_bytes(skb, at, chunk, size))
        return 0;
    return bpf_csum_diff(0, 0, chunk, CHUNK, sum);
}

/* A change of no pseudo-header leaves the field alone where a card has yet to complete it. */
INLINE int is_to_be_completed(struct __sk_buff *skb, const struct packet *packet)
{
    __u32 at = ETH_HLEN + packet->ip_size + __builtin_offsetof(struct udphdr, check);
    __u16 check = 0;

    if (bpf_l4_csum_replace(skb, at, 0, 1, 0) || bpf_skb_load_bytes(skb, at, &check, sizeof(check)))
        return 0;
    return check == packet->check || (bpf_skb_store_bytes(skb, at, &packet->check, sizeof(check), 0), 0);
}

/* Whether the checksum is known to be right: checked by the card; or yet to be completed, since the
 * packet was made on this host; or, where the card has only summed up or done nothing, by the sum.
 * An error would be carried along, and with it sixteen bits of the sender's choice. Pointers into
 * the packet are void afterwards. */
INLINE int is_checksum_right(struct __sk_buff *skb, struct packet *packet)
{
    if (bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0)
        return 1;
    __u64 pseudo = sum(&packet->key.source) + sum(&packet->key.server) + HTONS(packet->udp_size) +
                   HTONS(IPPROTO_UDP);
    if (packet->check == fold_to_16(fold_to_32(pseudo)) && is_to_be_completed(skb, packet)) {
        packet->card = HAS_TO_COMPLETE;
        return 1;
    }
    __s64 whole = bpf_csum_update(skb, 0); /* by the card, with the IP header */
    if (whole >= 0)
        packet->card = HAS_SUMMED_UP;
    __u64 rest = whole < 0 ? sum_up(skb, packet) : (__u64)whole + packet->header_complement;
    return fold_to_16(fold_to_32(pseudo + rest)) == 0xffff;
}

/* The helper knows whether the checksum is complete, or a network card has yet to complete it from
 * the sum of the pseudo-header; hence two differences, of the pseudo-header and of the rest. */
INLINE long replace_checksum(struct __sk_buff *skb, __u32 ip_size, __u64 pseudo, __u64 rest)
{
    __u32 at = ETH_HLEN + ip_size + __builtin_offsetof(struct udphdr, check);

    return bpf_l4_csum_replace(skb, at, 0, fold_to_32(pseudo), BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0) ?:
           bpf_l4_csum_replace(skb, at, 0, fold_to_32(rest), BPF_F_MARK_MANGLED_0);
}

INLINE __u64 change_of_addresses(const struct packet *packet, const struct route *route)
{
    return sum_of_complement(&packet->key.source) + sum_of_complement(&packet->key.server) +
           sum(&route->server) + sum(&route->target);
}

/* NO_CHANNEL on both sides adds 0xffff, which is zero. */
INLINE long update_checksum(struct __sk_buff *skb, const struct packet *packet, const struct route *route,
                            __u32 ip_size)
{
    const struct route_key *key = &packet->key;
    __u64 rest = (__u64)(__u16)~key->source_port + (__u16)~key->server_port + (__u16)~key->channel +
                 route->server_port + route->target_port + route->channel;

    return replace_checksum(skb, ip_size, change_of_addresses(packet, route), rest);
}

/* A card's sum is over what came, and whoever gets the packet on this host holds it against that. What
 * leaves is a header of ours, and a datagram that sums up to zero with its pseudo-header. */
INLINE void renew_sum(struct __sk_buff *skb, const struct route *route, __u32 ip_size, __u32 udp_size)
{
    __u64 addresses = sum(&route->server) + sum(&route->target);
    __u64 pseudo = addresses + HTONS(udp_size) + HTONS(IPPROTO_UDP);
    __u64 header = 0; /* IPv4's has a checksum of its own */

    if (ip_size == sizeof(struct ipv6hdr))
        header = addresses + 0x60 + HTONS(udp_size) + HTONS(IPPROTO_UDP << 8 | HOP_LIMIT);
    __u64 change = header + (__u32)~fold_to_32(pseudo) + (__u32)~bpf_csum_update(skb, 0);
    bpf_csum_update(skb, fold_to_32(change));
}
