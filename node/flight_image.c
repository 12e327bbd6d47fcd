/* The image of a core's block: most of it is windows that nobody uses, and zero. */
#include "flight_codec.h"
#include "flight_format.h"

#include <string.h>
#include <xxhash.h>

static uint64_t word_at(const uint8_t *bytes, size_t word)
{
    uint64_t value;
    memcpy(&value, bytes + word * sizeof value, sizeof value);
    return value;
}

/* Returns the first word from `word` on that is not zero, or `words`. */
static size_t skip_zeros(const uint8_t *bytes, size_t word, size_t words)
{
    while (word + 8 <= words && (word_at(bytes, word) | word_at(bytes, word + 1) | word_at(bytes, word + 2) |
                                 word_at(bytes, word + 3) | word_at(bytes, word + 4) | word_at(bytes, word + 5) |
                                 word_at(bytes, word + 6) | word_at(bytes, word + 7)) == 0) {
        word += 8;
    }
    while (word < words && word_at(bytes, word) == 0) {
        word++;
    }
    return word;
}

/* Returns the first word from `word` on where two zeros stand side by side, or `words`: one alone is not worth a pair
 * of counts. */
static size_t skip_others(const uint8_t *bytes, size_t word, size_t words)
{
    while (word < words && (word_at(bytes, word) != 0 || word + 1 == words || word_at(bytes, word + 1) != 0)) {
        word++;
    }
    return word;
}

size_t dgraft_flight_image_encode(const void *core, size_t core_bytes, uint8_t *out, size_t size)
{
    const size_t words = core_bytes / sizeof(uint64_t);
    const uint8_t *bytes = core;
    const uint8_t *end = out + size;
    uint8_t *at = out;
    for (size_t word = 0; word < words && at != NULL;) {
        const size_t others = skip_zeros(bytes, word, words);
        const size_t next = skip_others(bytes, others, words);
        const size_t length = (next - others) * sizeof(uint64_t);
        at = dgraft_flight_put(at, end, others - word);
        at = dgraft_flight_put(at, end, next - others);
        if (at == NULL || (size_t)(end - at) < length) {
            return 0;
        }
        memcpy(at, bytes + others * sizeof(uint64_t), length);
        at += length;
        word = next;
    }
    return core_bytes % sizeof(uint64_t) != 0 || at == NULL ? 0 : (size_t)(at - out);
}

bool dgraft_flight_image_decode(const uint8_t *bytes, size_t size, void *core, size_t core_bytes)
{
    const size_t words = core_bytes / sizeof(uint64_t);
    const uint8_t *at = bytes;
    const uint8_t *end = bytes + size;
    uint8_t *out = core;
    memset(core, 0, core_bytes);
    for (size_t word = 0; word < words;) {
        uint64_t zeros = 0;
        uint64_t others = 0;
        at = dgraft_flight_take(at, end, &zeros);
        at = dgraft_flight_take(at, end, &others);
        if (at == NULL || zeros > words - word || others > words - word - zeros || zeros + others == 0 ||
            others > (size_t)(end - at) / sizeof(uint64_t)) {
            return false;
        }
        word += zeros;
        memcpy(out + word * sizeof(uint64_t), at, (size_t)others * sizeof(uint64_t));
        at += others * sizeof(uint64_t);
        word += others;
    }
    return at == end && core_bytes % sizeof(uint64_t) == 0;
}

uint64_t dgraft_flight_state_hash(const void *core, size_t core_bytes)
{
    return XXH3_64bits(core, core_bytes);
}
