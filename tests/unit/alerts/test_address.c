/* SPDX-License-Identifier: GPL-3.0-or-later */
/* address: which ones a receiver may have. */

#include "alerts/address.h"

#include "base/attr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static enum address_class classify(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return address_classify((struct sockaddr *)&in, sizeof(in));
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return address_classify((struct sockaddr *)&in6, sizeof(in6));
}

static const char *const forbidden[] = {
	"169.254.169.254",
	"169.254.0.1",
	"169.254.255.255",
	"100.100.100.200",
	"168.63.129.16",
	"192.0.0.192",
	"0.0.0.0",
	"0.1.2.3",
	"224.0.0.1",
	"239.255.255.255",
	"240.0.0.1",
	"255.255.255.255",
	"fe80::1",
	"febf::1",
	"fd00:ec2::254",
	"::",
	"ff02::1",
	"::ffff:169.254.169.254",
	"::169.254.1.1",
	"64:ff9b::a9fe:a9fe",
	"2002:a9fe:a9fe::",
	"64:ff9b:1::1",
	"2001:0:1:2:3:4:5601:5601", /* Teredo, XORed */
	"::ffff:0.0.0.0",
	"fec0::1",
	"::ffff:0:169.254.169.254",
	"64:ff9b::",
};

static const char *const private[] = {
	"127.0.0.1",	   "127.255.255.254",
	"10.0.0.1",	   "10.255.255.255",
	"172.16.0.1",	   "172.31.255.255",
	"192.168.0.1",	   "192.168.255.255",
	"100.64.0.1",	   "100.127.255.255",
	"198.18.0.1",	   "198.19.255.255",
	"192.0.2.1",	   "::1",
	"fc00::1",	   "fd00::",
	"fdff::1",	   "::ffff:127.0.0.1",
	"::ffff:10.1.2.3", "::127.0.0.1",
	"64:ff9b::7f00:1", "2002:7f00:1::",
	"2002:c0a8:101::", "64:ff9b::a00:1",
	"2001:db8::1",	   "2001:0:1:2:3:4:80ff:fffe", /* 127.0.0.1 */
};

static const char *const public[] = {
	"1.1.1.1",	    "8.8.8.8",	      "172.15.255.255",
	"172.32.0.1",	    "100.63.255.255", "100.128.0.1",
	"169.253.255.255",  "169.255.0.0",    "192.167.255.255",
	"198.17.255.255",   "198.20.0.1",     "223.255.255.255",
	"2606:4700::1111",  "2a00:1450::8",   "::ffff:1.1.1.1",
	"64:ff9b::808:808", "2002:808:808::", "fbff::1",
	"2001:4860::8888",  "1.2.3.4",
};

static void test_classes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
		if (classify(forbidden[i]) != ADDRESS_FORBIDDEN)
			fail_msg("%s is not forbidden", forbidden[i]);
	for (size_t i = 0; i < ARRAY_LEN(private); i++)
		if (classify(private[i]) != ADDRESS_PRIVATE)
			fail_msg("%s is not private", private[i]);
	for (size_t i = 0; i < ARRAY_LEN(public); i++)
		if (classify(public[i]) != ADDRESS_PUBLIC)
			fail_msg("%s is not public", public[i]);
}

static void test_allowed(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct sockaddr *sa = (struct sockaddr *)&in;

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_false(address_is_allowed(sa, sizeof(in), false));
	assert_true(address_is_allowed(sa, sizeof(in), true));
	in.sin_addr.s_addr = htonl(0xa9fea9fe);
	assert_false(address_is_allowed(sa, sizeof(in), true));
	in.sin_addr.s_addr = htonl(0x08080808);
	assert_true(address_is_allowed(sa, sizeof(in), false));
	/* Cut short, or of another family: no address that is known. */
	assert_false(address_is_allowed(sa, 4, true));
	assert_false(
		address_is_allowed((struct sockaddr *)&un, sizeof(un), true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
