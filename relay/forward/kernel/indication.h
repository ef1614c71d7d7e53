/* Send and Data indications (RFC 8656 section 11), as clients have them that bind no channel: the
 * header, XOR-PEER-ADDRESS, DATA, and after that FINGERPRINT or nothing. Any other shape goes up. */

#pragma once

#include "checksum.h"

#define SEND HTONS(0x0016)
#define DATA HTONS(0x0017)
#define COOKIE HTONL(0x2112a442)
#define XOR_PEER_IPV4 HTONL(0x00120008) /* an attribute's type and length */
#define XOR_PEER_IPV6 HTONL(0x00120014)
#define DATA_ATTRIBUTE HTONS(0x0013)
#define FINGERPRINT HTONL(0x80280004)
#define FINGERPRINT_SIZE 8

#define STUN_HEADER_SIZE 20
#define HEADER_WORDS 5      /* RFC 8489 section 5: type and length, cookie, transaction id */
#define INDICATION_WORDS 12 /* before the payload, at most; three less where the peer is IPv4 */
#define HEAD_MAX (INDICATION_WORDS * sizeof(__u32))
#define MOVED_MAX 2048 /* bytes of a payload that is moved; a larger one goes up */
#define PIECE 32 /* of a payload, moved at a time, on the stack */
#define FRAME_WORDS (INDICATION_WORDS + 2) /* with UDP's header */

INLINE __u32 size_of_indication(__u16 peer_family)
{
    return peer_family == PEER_IPV4 ? HEAD_MAX - 12 : HEAD_MAX;
}

/* Whether this attribute names a relayed address of ours. RFC 8489 section 14.2: the key that it is
 * XORed with is the cookie, and behind that the transaction id. */
INLINE int is_ours(const __u32 *peer, const __u32 *key, const struct config *settings, __u16 family)
{
    const struct address *relayed = &settings->relayed6;

    if (family == PEER_IPV4)
        return (peer[2] ^ key[0]) == settings->relayed4.words[3];
    return !((peer[2] ^ key[0] ^ relayed->words[0]) | (peer[3] ^ key[1] ^ relayed->words[1]) |
             (peer[4] ^ key[2] ^ relayed->words[2]) | (peer[5] ^ key[3] ^ relayed->words[3]));
}

/* Returns whether what follows the payload is padding, and a FINGERPRINT or nothing. Whether that is
 * right is not looked at: the checksum of UDP is. */
INLINE int ends_well(struct __sk_buff *skb, const struct packet *packet)
{
    __u32 padding = -packet->payload & 3, word = 0;

    if (packet->tail == padding)
        return 1;
    return packet->tail == padding + FINGERPRINT_SIZE &&
           !bpf_skb_load_bytes(skb, skb->len - FINGERPRINT_SIZE, &word, sizeof(word)) && word == FINGERPRINT;
}

/* Returns whether it is a Send indication of the usual shape to one of our relayed addresses, as the
 * packet's key says from then on. */
NOINLINE int parse_send(struct __sk_buff *skb, struct packet *packet)
{
    __u32 words[INDICATION_WORDS], zero = 0;
    __u32 at = ETH_HLEN + packet->ip_size + sizeof(struct udphdr);
    __u32 size = packet->udp_size - sizeof(struct udphdr);
    const struct config *settings = bpf_map_lookup_elem(&config, &zero);

    /* No media is shorter: RTP's header has 12 bytes. */
    if (!settings || size < HEAD_MAX || bpf_skb_load_bytes(skb, at, words, HEAD_MAX))
        return 0;
    const __u32 *peer = words + HEADER_WORDS;
    const __u16 family = peer[0] == XOR_PEER_IPV4 ? PEER_IPV4 : PEER_IPV6;
    const __u32 data = family == PEER_IPV4 ? words[8] : words[11];
    if (words[1] != COOKIE || (family == PEER_IPV6 && peer[0] != XOR_PEER_IPV6) ||
        (peer[1] & 0xffff) != HTONS(family) || !is_ours(peer, words + 1, settings, family))
        return 0;

    packet->head = size_of_indication(family);
    packet->payload = NTOHS(data >> 16);
    packet->tail = size - packet->head - packet->payload;
    packet->key.channel = peer[1] >> 16 ^ (COOKIE & 0xffff);
    packet->key.peer_family = family;
    return (data & 0xffff) == DATA_ATTRIBUTE && NTOHS(words[0] >> 16) == size - STUN_HEADER_SIZE &&
           ends_well(skb, packet);
}

/* --- What goes out ----------------------------------------------------------------------------- */

INLINE __u32 head_of(const struct route *route)
{
    if (route->target_peer_family)
        return size_of_indication(route->target_peer_family);
    return route->channel == NO_CHANNEL ? 0 : sizeof(struct channel_data);
}

/* Whether the target has another framing than came: none, ChannelData, or an indication, of which
 * none leaves as it came. */
INLINE int is_reframed(const struct packet *packet, const struct route *route)
{
    return packet->key.peer_family | route->target_peer_family | (packet->head != head_of(route));
}

/* What the target gets: a datagram of this size. */
INLINE __u32 udp_size_of(const struct packet *packet, const struct route *route)
{
    if (!is_reframed(packet, route))
        return packet->udp_size;
    __u32 size = sizeof(struct udphdr) + head_of(route) + packet->payload;
    return route->target_peer_family ? (size + 3) & ~3u : size;
}

/* The Data indication before the payload. Spec: RFC 8656 section 11.4. */
INLINE void write_head(__u32 *words, const struct route *route, const struct config *settings,
                       __u32 payload, __u32 size)
{
    __u32 *peer = words + HEADER_WORDS, *data;

    words[0] = DATA | HTONS(size - STUN_HEADER_SIZE) << 16;
    words[1] = COOKIE;
    for (int i = 2; i < HEADER_WORDS; i++)
        words[i] = bpf_get_prandom_u32();
    peer[1] = HTONS(route->target_peer_family) | (__u32)(route->channel ^ (COOKIE & 0xffff)) << 16;
    if (route->target_peer_family == PEER_IPV4) {
        peer[0] = XOR_PEER_IPV4;
        peer[2] = settings->relayed4.words[3] ^ COOKIE;
        data = peer + 3;
    } else {
        peer[0] = XOR_PEER_IPV6;
        for (int i = 0; i < 4; i++)
            peer[2 + i] = settings->relayed6.words[i] ^ words[1 + i];
        data = peer + 6;
    }
    *data = DATA_ATTRIBUTE | HTONS(payload) << 16;
}

/* Move the payload within the packet, which has room for it at both places. Returns 0 or an error. */
NOINLINE long move_payload(struct __sk_buff *skb, __u32 from, __u32 to, __u32 size)
{
    __u8 piece[PIECE] = {}; /* without CAP_PERFMON the verifier wants to know what is read */
    __u32 rest = size & (PIECE - 1), whole = size - rest;
    __u32 at = to > from ? whole - PIECE : 0, step = to > from ? -PIECE : PIECE;

    OPAQUE(rest);
    if (to > from && rest &&
        (bpf_skb_load_bytes(skb, from + whole, piece, rest) ||
         bpf_skb_store_bytes(skb, to + whole, piece, rest, 0)))
        return -1;
    for (int i = 0; i < MOVED_MAX / PIECE && at < whole; i++, at += step)
        if (bpf_skb_load_bytes(skb, from + at, piece, PIECE) ||
            bpf_skb_store_bytes(skb, to + at, piece, PIECE, 0))
            return -1;
    return to < from && rest &&
           (bpf_skb_load_bytes(skb, from + whole, piece, rest) ||
            bpf_skb_store_bytes(skb, to + whole, piece, rest, 0));
}

/* Make the room before the payload what the target's framing needs. A card that has yet to complete
 * the checksum has been told where UDP's header is: there the payload moves, else the headers do. */
INLINE long make_room(struct __sk_buff *skb, const struct packet *packet, __u32 at, __u32 head)
{
    const __s32 change = head - packet->head;

    if (!change)
        return 0;
    if (packet->card != HAS_TO_COMPLETE)
        return bpf_skb_adjust_room(skb, change, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_NO_CSUM_RESET);
    if (change > 0 && bpf_skb_change_tail(skb, skb->len + change, 0))
        return -1;
    at += sizeof(struct udphdr);
    return move_payload(skb, at + packet->head, at + head, packet->payload);
}

/* Put the target's ports and framing around the payload, and the checksum right. The payload stays
 * at an even distance from the header, so that its own sum stays what it is. Returns 0 or an error. */
NOINLINE long reframe(struct __sk_buff *skb, const struct packet *packet, const struct route *route,
                      __u32 ip_size, __u32 udp_size)
{
    __u32 before[FRAME_WORDS] = {}, after[FRAME_WORDS] = {}, end[3] = {}, kept[3] = {}, zero = 0;
    const __u32 odd = packet->payload & 3, whole = packet->payload - odd;
    const __u32 at = ETH_HLEN + ip_size, head = head_of(route);
    __u32 size = sizeof(struct udphdr) + packet->head, end_size = odd + packet->tail;
    const struct config *settings = bpf_map_lookup_elem(&config, &zero);

    OPAQUE(size);
    OPAQUE(end_size);
    if (!settings || size < sizeof(struct udphdr) || size > sizeof(before))
        return -1;
    if (bpf_skb_load_bytes(skb, at, before, size))
        return -1;
    if (end_size > sizeof(end) || (end_size && bpf_skb_load_bytes(skb, at + size + whole, end, end_size)))
        return -1;
    kept[0] = end[0] & ((1u << odd * 8) - 1);

    after[0] = route->server_port | (__u32)route->target_port << 16;
    after[1] = HTONS(udp_size);
    if (route->target_peer_family)
        write_head(after + 2, route, settings, packet->payload, udp_size - sizeof(struct udphdr));
    else if (head)
        after[2] = route->channel | HTONS(packet->payload) << 16;
    const __u32 check = before[1] & 0xffff0000;
    before[1] &= 0xffff;
    __u32 rest = bpf_csum_diff(before, sizeof(before), after, sizeof(after), 0);
    rest = bpf_csum_diff(end, sizeof(end), kept, sizeof(kept), rest);
    after[1] |= check;

    if (make_room(skb, packet, at, head))
        return -1;
    if (skb->len != at + udp_size && bpf_skb_change_tail(skb, at + udp_size, 0))
        return -1;
    if (bpf_skb_store_bytes(skb, at, after, sizeof(struct udphdr) + head, 0))
        return -1;
    if (odd && route->target_peer_family &&
        bpf_skb_store_bytes(skb, at + sizeof(struct udphdr) + head + whole, kept, sizeof(kept[0]), 0))
        return -1;
    __u64 sizes = (__u64)(__u16)~HTONS(packet->udp_size) + HTONS(udp_size);
    return replace_checksum(skb, ip_size, change_of_addresses(packet, route) + sizes, rest);
}
