/* Files as values: whole, up to the bound, and compared to the byte. */
#include <value_file.h>

#include <criterion/criterion.h>
#include <kv_client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that holds `size` times 'v', at its beginning. */
static FILE *file_of(size_t size)
{
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    for (size_t i = 0; i < size; i++) {
        cr_assert_eq(fputc('v', file), 'v');
    }
    cr_assert_eq(fflush(file), 0);
    cr_assert_eq(lseek(fileno(file), 0, SEEK_SET), 0);
    return file;
}

Test(value_file, is_read_whole_whatever_its_size_was_thought_to_be)
{
    static const size_t sizes[] = {0, 1, 5000, KV_VALUE_BYTES_MAX - 1, KV_VALUE_BYTES_MAX};
    static const size_t guesses[] = {0, 1, 4999, 5000, 5001, KV_VALUE_BYTES_MAX - 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof guesses / sizeof guesses[0]; j++) {
            FILE *file = file_of(sizes[i]);
            uint8_t *payload = NULL;
            size_t bytes = 0;
            cr_assert_eq(value_file_read(fileno(file), "a/key", guesses[j], &payload, &bytes), VALUE_FILE_OK);
            cr_assert_eq(bytes, 8 + 5 + sizes[i]);
            cr_assert_eq(memcmp(payload, "\5\0\0\0\0\0\0\0a/key", 13), 0);
            cr_assert(sizes[i] == 0 || (payload[13] == 'v' && payload[bytes - 1] == 'v'));
            free(payload);
            fclose(file);
        }
    }
}

Test(value_file, is_refused_when_one_byte_too_large)
{
    FILE *file = file_of(KV_VALUE_BYTES_MAX + 1u);
    uint8_t *payload = NULL;
    size_t bytes = 0;
    cr_assert_eq(value_file_read(fileno(file), "k", 0, &payload, &bytes), VALUE_FILE_TOO_LARGE);
    cr_assert_null(payload);
    fclose(file);
    cr_assert_eq(value_file_read(-1, "k", 0, &payload, &bytes), VALUE_FILE_ERROR);
    cr_assert_null(payload);
}

Test(value_file, is_compared_to_the_first_byte_that_differs)
{
    static uint8_t value[40000];
    memset(value, 'v', sizeof value);
    static const struct {
        size_t file_bytes;
        size_t value_bytes;
        int64_t place;
    } cases[] = {{0, 0, -1}, {40000, 40000, -1}, {16384, 16384, -1}, {16384, 16385, 16384}, {16385, 16384, 16384},
                 {5, 0, 0},  {0, 5, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FILE *file = file_of(cases[i].file_bytes);
        cr_assert_eq(value_file_compare(fileno(file), value, cases[i].value_bytes), cases[i].place, "case %zu", i);
        fclose(file);
    }
    FILE *file = file_of(40000);
    value[32768] = 'x';
    cr_assert_eq(value_file_compare(fileno(file), value, sizeof value), 32768);
    fclose(file);
    cr_assert_eq(value_file_compare(-1, value, 1), -2);
}
