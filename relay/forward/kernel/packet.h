/* What came in: one Ethernet frame, taken apart as far as it is exactly one UDP datagram. */

#pragma once

#include "sums.h"

#define DONT_FRAGMENT 0x4000
#define HOP_LIMIT 64 /* relay/forward/user/sockets.py */
#define PACKET_SIZE_MAX 9472 /* no route has a larger MTU: layout.py */
#define PORTS_AND_CHANNEL_SIZE (sizeof(struct udphdr) + sizeof(struct channel_data))

struct channel_data { /* RFC 8656 section 12.4 */
    __be16 channel;
    __be16 length;
};

/* What a network card does about the checksum of a packet. */
enum card { HAS_NOT_SAID, HAS_SUMMED_UP, HAS_TO_COMPLETE };

struct packet {
    struct route_key key; /* its channel is what stands there, until it turns out to be none */
    __u32 ip_size;        /* of its header: 20 or 40 */
    __u32 udp_size;
    __u32 head; /* between UDP's header and the payload */
    __u32 payload;
    __u32 tail;              /* after the payload */
    __u16 check;             /* of UDP */
    __u16 card;              /* enum card: what it has done */
    __u64 header_complement; /* what takes IP's header out of a sum */
};

/* Make `size` bytes readable directly. Pointers into the packet are void afterwards. */
INLINE int is_readable(struct __sk_buff *skb, __u32 size)
{
    if ((void *)(long)skb->data + size <= (void *)(long)skb->data_end)
        return 1;
    return skb->len >= size && !bpf_skb_pull_data(skb, size);
}

INLINE void set_ipv4(struct address *address, __be32 ipv4)
{
    address->words[0] = 0;
    address->words[1] = 0;
    address->words[2] = 0xffff0000; /* ::ffff: in network order */
    address->words[3] = ipv4;
}

INLINE int is_ipv4(const struct address *address)
{
    return !address->words[0] && !address->words[1] && address->words[2] == 0xffff0000;
}

/* Returns whether the packet is one UDP datagram with a checksum and nothing after it. */
INLINE int parse_udp(const struct __sk_buff *skb, struct packet *packet, const struct udphdr *udp)
{
    const struct channel_data *message = (const void *)(udp + 1);

    packet->udp_size = NTOHS(udp->len);
    packet->head = sizeof(*message);
    packet->payload = NTOHS(message->length);
    packet->tail = 0;
    packet->check = udp->check;
    packet->card = HAS_NOT_SAID;
    packet->key.source_port = udp->source;
    packet->key.server_port = udp->dest;
    packet->key.channel = message->channel;
    packet->key.peer_family = NO_PEER;
    return udp->check && skb->len == ETH_HLEN + packet->ip_size + packet->udp_size;
}

INLINE int parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
    const __u32 size = ETH_HLEN + sizeof(struct iphdr) + PORTS_AND_CHANNEL_SIZE;
    if (!is_readable(skb, size))
        return 0;
    const void *data = (void *)(long)skb->data;
    const struct iphdr *ip = data + ETH_HLEN;
    if (data + size > (void *)(long)skb->data_end)
        return 0;

    if (*(const __u8 *)ip != 0x45 || ip->protocol != IPPROTO_UDP) /* version 4, no options */
        return 0;
    const __u32 *words = (const void *)ip;
    __u64 total = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
    if (fold_to_16(fold_to_32(total)) != 0xffff)
        return 0;
    packet->header_complement = 0;
    if (ip->frag_off & (__u16)~HTONS(DONT_FRAGMENT)) /* a fragment, or the reserved bit */
        return 0;
    packet->ip_size = sizeof(*ip);
    set_ipv4(&packet->key.source, ip->saddr);
    set_ipv4(&packet->key.server, ip->daddr);
    return parse_udp(skb, packet, (const void *)(ip + 1)) &&
           NTOHS(ip->tot_len) == sizeof(*ip) + packet->udp_size;
}

INLINE int parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
    const __u32 size = ETH_HLEN + sizeof(struct ipv6hdr) + PORTS_AND_CHANNEL_SIZE;
    if (!is_readable(skb, size))
        return 0;
    const void *data = (void *)(long)skb->data;
    const struct ipv6hdr *ip = data + ETH_HLEN;
    if (data + size > (void *)(long)skb->data_end)
        return 0;

    if ((*(const __u8 *)ip & 0xf0) != 0x60 || ip->nexthdr != IPPROTO_UDP) /* no extension headers */
        return 0;
    const __u32 *words = (const void *)ip;
    packet->header_complement = (__u64)(__u32)~words[0] + (__u32)~words[1];
    packet->ip_size = sizeof(*ip);
    __builtin_memcpy(&packet->key.source, &ip->saddr, sizeof(ip->saddr));
    __builtin_memcpy(&packet->key.server, &ip->daddr, sizeof(ip->daddr));
    packet->header_complement +=
        sum_of_complement(&packet->key.source) + sum_of_complement(&packet->key.server);
    return parse_udp(skb, packet, (const void *)(ip + 1)) && NTOHS(ip->payload_len) == packet->udp_size;
}

/* Returns whether the packet is UDP that is understood to the last byte. */
INLINE int parse(struct __sk_buff *skb, struct packet *packet)
{
    /* PACKET_HOST: a promiscuous interface shows here what was sent to other hosts. */
    if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size || skb->gso_segs > 1)
        return 0;
    if (skb->protocol == HTONS(ETH_P_IP))
        return parse_ipv4(skb, packet);
    if (skb->protocol == HTONS(ETH_P_IPV6))
        return parse_ipv6(skb, packet);
    return 0;
}
