#include "record_ring.h"

#include <criterion/criterion.h>

Test(record_ring, hands_out_consecutive_bytes_and_uses_a_chunk_again_when_all_of_it_is_given_back)
{
    struct record_ring ring;
    struct dgraft_buffer *first = NULL;
    struct dgraft_buffer *second = NULL;
    struct dgraft_buffer *third = NULL;
    dgraft_record_ring_open(&ring, 100);
    cr_assert(dgraft_record_ring_reserve(&ring, 60));
    uint8_t *a = dgraft_record_ring_take(&ring, 30, &first);
    uint8_t *b = dgraft_record_ring_take(&ring, 30, &second);
    cr_assert_eq(b, a + 30);
    cr_assert_eq(first, second);
    cr_assert(dgraft_record_ring_reserve(&ring, 60), "40 are left: another chunk");
    uint8_t *c = dgraft_record_ring_take(&ring, 60, &third);
    cr_assert_neq(third, first);
    cr_assert_neq(c, a);
    dgraft_buffer_release(first);
    cr_assert_eq(ring.free_count, 0, "its second record is still held");
    dgraft_buffer_release(second);
    cr_assert_eq(ring.free_count, 1);
    cr_assert(dgraft_record_ring_reserve(&ring, 100));
    cr_assert_eq(ring.current, first, "no allocation: the chunk is used again");
    dgraft_buffer_release(third);
    dgraft_record_ring_close(&ring);
}
