/* `raftctl explore`. */
#ifndef EXPLORE_COMMAND_H
#define EXPLORE_COMMAND_H

int command_explore(int argc, char **argv);

#endif
