/* Sums in one's complement arithmetic (RFC 1071). There 0xffff is zero, so the sum over ::ffff:a.b.c.d
 * is that over a.b.c.d, and IPv4's and IPv6's pseudo-headers sum up alike. */

#pragma once

#include "layout.h"

INLINE __u64 sum(const struct address *address)
{
    return (__u64)address->words[0] + address->words[1] + address->words[2] + address->words[3];
}

INLINE __u64 sum_of_complement(const struct address *address)
{
    return (__u64)~address->words[0] + ~address->words[1] + ~address->words[2] + ~address->words[3];
}

INLINE __u32 fold_to_32(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (sum & 0xffffffff) + (sum >> 32);
}

INLINE __u16 fold_to_16(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}
