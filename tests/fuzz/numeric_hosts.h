/* Stands in for the system's resolver: addresses in digits, and no names, so that no input asks a network or a file. */
#ifndef NUMERIC_HOSTS_H
#define NUMERIC_HOSTS_H

/* How often a host was looked for; links the resolver into the program. */
unsigned long numeric_hosts_count(void);

#endif
