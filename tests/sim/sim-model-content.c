/*
 * Model of a migratable VFIO device: what its state looks like
 *
 * Owns: the function that computes each 8-byte word of a stream from the
 * stream's content id and the word's index, and digests. No word occurs twice
 * in a stream, so a missing, duplicate or moved piece is detected, and each
 * piece can be created or checked separately at memory speed.
 *
 * Pure; no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

#define WORD_STEP UINT64_C(0x9E3779B97F4A7C15)
#define WORD_BYTES 8
#define BLOCK_WORDS 512

uint64_t sim_mix(uint64_t value)
{
    value ^= value >> 30;
    value *= UINT64_C(0xBF58476D1CE4E5B9);
    value ^= value >> 27;
    value *= UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

static uint64_t word_at(uint64_t id, uint64_t index)
{
    return sim_mix(id) + index * WORD_STEP;
}

/* Bytes of the word at @position, up to the word's end */
static uint64_t edge(uint64_t id, uint64_t position, uint64_t len,
                     uint8_t bytes[WORD_BYTES])
{
    uint64_t word = SIM_LE64(word_at(id, position / WORD_BYTES));
    unsigned skip = position % WORD_BYTES;
    uint64_t n = SIM_MIN(len, WORD_BYTES - skip);

    memcpy(bytes, (uint8_t *)&word + skip, n);
    return n;
}

void sim_content_fill(uint64_t id, uint64_t position, uint8_t *buf,
                      uint64_t len)
{
    uint8_t bytes[WORD_BYTES];

    while (len) {
        uint64_t words = len / WORD_BYTES;
        uint64_t n;

        if (position % WORD_BYTES == 0 && words) {
            uint64_t word = word_at(id, position / WORD_BYTES);

            for (uint64_t i = 0; i < words; i++, word += WORD_STEP) {
                uint64_t le = SIM_LE64(word);

                memcpy(buf + i * WORD_BYTES, &le, WORD_BYTES);
            }
            n = words * WORD_BYTES;
        } else {
            n = edge(id, position, len, bytes);
            memcpy(buf, bytes, n);
        }
        position += n;
        buf += n;
        len -= n;
    }
}

/* Number of correct bytes before the first wrong word */
static uint64_t check_words(uint64_t id, uint64_t index, const uint8_t *buf,
                            uint64_t words)
{
    uint64_t done = 0;

    while (done < words) {
        uint64_t block = SIM_MIN(words - done, BLOCK_WORDS);
        uint64_t word = word_at(id, index + done);
        uint64_t differ = 0, got;

        for (uint64_t i = 0; i < block; i++, word += WORD_STEP) {
            memcpy(&got, buf + (done + i) * WORD_BYTES, WORD_BYTES);
            differ |= got ^ SIM_LE64(word);
        }
        if (differ) {
            break;
        }
        done += block;
    }
    while (done < words) {
        uint64_t le = SIM_LE64(word_at(id, index + done));

        if (memcmp(buf + done * WORD_BYTES, &le, WORD_BYTES) != 0) {
            break;
        }
        done++;
    }
    return done * WORD_BYTES;
}

static bool check_all(uint64_t id, uint64_t position, const uint8_t *buf,
                      uint64_t len, uint64_t *bad)
{
    uint8_t bytes[WORD_BYTES];

    while (len) {
        uint64_t words = len / WORD_BYTES;
        uint64_t n, right;

        if (position % WORD_BYTES == 0 && words) {
            n = words * WORD_BYTES;
            right = check_words(id, position / WORD_BYTES, buf, words);
        } else {
            n = edge(id, position, len, bytes);
            right = memcmp(buf, bytes, n) == 0 ? n : 0;
        }
        if (right < n) {
            *bad = position + right;
            return false;
        }
        position += n;
        buf += n;
        len -= n;
    }
    return true;
}

bool sim_content_check(uint64_t id, uint64_t position, const uint8_t *buf,
                       uint64_t len, SimVerify verify, uint64_t *bad)
{
    const uint64_t step = 4096, probe = 64;

    if (verify == SIM_VERIFY_NONE) {
        return true;
    }
    if (verify == SIM_VERIFY_FULL || len <= 2 * probe) {
        return check_all(id, position, buf, len, bad);
    }
    for (uint64_t at = 0; at < len; at += step) {
        if (!check_all(id, position + at, buf + at, SIM_MIN(probe, len - at),
                       bad)) {
            return false;
        }
    }
    return check_all(id, position + len - probe, buf + len - probe, probe,
                     bad);
}

uint64_t sim_words_digest(uint64_t hash, const uint8_t *from,
                          uint64_t bytes)
{
    uint64_t word;

    for (; bytes >= WORD_BYTES; bytes -= WORD_BYTES, from += WORD_BYTES) {
        memcpy(&word, from, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 32;
    }
    return hash;
}
