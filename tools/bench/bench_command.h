/* `raftctl bench`, and the processes that it starts. */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

int command_bench(int argc, char **argv);

/* One of the three processes of a measurement; started by command_bench only. */
int command_bench_node(int argc, char **argv);

#endif
