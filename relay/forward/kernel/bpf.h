/* What a BPF program needs besides the kernel's own user-space headers: the map notation that libbpf
 * reads, and the prototypes of the helper functions that fastpath.bpf.c calls. */

#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

/* The verifier knows the bounds that are checked from here on: the compiler checks this very register. */
#define OPAQUE(value) asm volatile("" : "+r"(value))

/* The fields of a map definition, which libbpf finds in the object's type information. */
#define INTEGER(name, value) int (*name)[value]
#define TYPE(name, type) type *name

/* BPF is compiled for little-endian hosts only: compile.py. */
#define NTOHS(value) __builtin_bswap16(value)
#define HTONS(value) __builtin_bswap16(value)
#define HTONL(value) __builtin_bswap32(value)

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*const bpf_skb_pull_data)(struct __sk_buff *skb, __u32 size) = (void *)BPF_FUNC_skb_pull_data;
static long (*const bpf_skb_change_proto)(struct __sk_buff *skb, __be16 protocol, __u64 flags) =
    (void *)BPF_FUNC_skb_change_proto;
static long (*const bpf_skb_adjust_room)(struct __sk_buff *skb, __s32 change, __u32 mode, __u64 flags) =
    (void *)BPF_FUNC_skb_adjust_room;
static long (*const bpf_skb_change_tail)(struct __sk_buff *skb, __u32 size, __u64 flags) =
    (void *)BPF_FUNC_skb_change_tail;
static __u32 (*const bpf_get_prandom_u32)(void) = (void *)BPF_FUNC_get_prandom_u32;
static long (*const bpf_l4_csum_replace)(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to,
                                         __u64 flags) = (void *)BPF_FUNC_l4_csum_replace;
static long (*const bpf_skb_load_bytes)(const struct __sk_buff *skb, __u32 offset, void *to, __u32 size) =
    (void *)BPF_FUNC_skb_load_bytes;
static long (*const bpf_skb_store_bytes)(struct __sk_buff *skb, __u32 offset, const void *from, __u32 size,
                                         __u64 flags) = (void *)BPF_FUNC_skb_store_bytes;
static __s64 (*const bpf_csum_diff)(const __be32 *from, __u32 from_size, const __be32 *to, __u32 to_size,
                                    __wsum seed) = (void *)BPF_FUNC_csum_diff;
static __s64 (*const bpf_csum_update)(struct __sk_buff *skb, __wsum sum) = (void *)BPF_FUNC_csum_update;
static long (*const bpf_csum_level)(struct __sk_buff *skb, __u64 level) = (void *)BPF_FUNC_csum_level;
static long (*const bpf_redirect_neigh)(__u32 ifindex, void *neighbour, int size, __u64 flags) =
    (void *)BPF_FUNC_redirect_neigh;
