#include <cli_escape.h>
#include <cli_number.h>
#include <criterion/criterion.h>
#include <string.h>

Test(escape, leaves_plain_text_alone)
{
    char text[32];
    cr_assert_str_eq(cli_escape_text("a key/with.dots", text, sizeof(text)), "a key/with.dots");
    cr_assert_str_eq(cli_escape_text("", text, sizeof(text)), "");
}

Test(escape, writes_every_other_byte_as_ascii)
{
    char text[64];
    cr_assert_str_eq(cli_escape("a\0b\x1b[2J\n\t\r\\\x7f\xff", 13, text, sizeof(text)),
                     "a\\x00b\\x1b[2J\\n\\t\\r\\\\\\x7f\\xff");
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char one = (unsigned char)byte;
        (void)cli_escape(&one, 1, text, sizeof(text));
        for (const char *at = text; *at != '\0'; at++) {
            cr_assert(*at >= ' ' && *at <= '~', "byte %u became one that is not printable", byte);
        }
    }
}

Test(escape, cuts_at_a_whole_character_and_says_so)
{
    char text[8];
    cr_assert_str_eq(cli_escape_text("1234567", text, sizeof(text)), "1234567");
    cr_assert_str_eq(cli_escape_text("12345678", text, sizeof(text)), "1234...");
    cr_assert_str_eq(cli_escape_text("12\x01\x01", text, sizeof(text)), "12...");
    cr_assert_str_eq(cli_escape_text("\x01\x01\x01", text, sizeof(text)), "\\x01...");
}

Test(escape, never_writes_behind_its_buffer)
{
    char guarded[32];
    char input[64];
    memset(input, 1, sizeof(input));
    for (size_t size = 8; size <= 24; size++) {
        for (size_t length = 0; length <= sizeof(input); length++) {
            memset(guarded, '#', sizeof(guarded));
            (void)cli_escape(input, length, guarded, size);
            cr_assert_lt(strlen(guarded), size);
            cr_assert_eq(guarded[size], '#');
        }
    }
}

Test(number, takes_whole_decimal_numbers_within_bounds)
{
    uint64_t value = 0;
    cr_assert(cli_number("0", 0, 5, &value) && value == 0);
    cr_assert(cli_number("007", 1, 7, &value) && value == 7);
    cr_assert(cli_number("18446744073709551615", 0, UINT64_MAX, &value) && value == UINT64_MAX);
}

Test(number, refuses_everything_else)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "1x", "0x1", "1.0", "18446744073709551616", "99999999999999999999999999"};
    uint64_t value = 42;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(cli_number(bad[i], 0, UINT64_MAX, &value), "'%s'", bad[i]);
    }
    cr_assert_not(cli_number("8", 1, 7, &value));
    cr_assert_not(cli_number("0", 1, 7, &value));
    cr_assert_eq(value, 42, "a refused number changes nothing");
}
