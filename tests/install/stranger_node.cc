// A node from C++: a cluster of one in the directory named commits and applies one command.
#include <dgraft/inspect.h>
#include <dgraft/node.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

namespace
{

struct machine {
    std::string applied;
};

struct answers {
    std::mutex mutex;
    std::condition_variable changed;
    bool answered = false;
    dgraft_proposal_fate fate = DGRAFT_PROPOSAL_REFUSED;
};

void apply(void *context, const dgraft_applied *entries, std::size_t count)
{
    for (std::size_t i = 0; i < count; i++) {
        static_cast<machine *>(context)->applied.append(reinterpret_cast<const char *>(entries[i].payload),
                                                        entries[i].payload_bytes);
    }
}

void on_answer(void *context, const dgraft_proposal_answer *answer)
{
    auto *answers = static_cast<struct answers *>(context);
    const std::lock_guard<std::mutex> guard(answers->mutex);
    answers->fate = answer->fate;
    answers->answered = true;
    answers->changed.notify_all();
}

dgraft_proposal_fate propose(dgraft_node *node, dgraft_proposal *proposal, answers *answers)
{
    std::unique_lock<std::mutex> guard(answers->mutex);
    answers->answered = false;
    guard.unlock();
    if (dgraft_node_propose(node, proposal) != DGRAFT_OK) {
        return DGRAFT_PROPOSAL_REFUSED;
    }
    guard.lock();
    answers->changed.wait(guard, [answers] { return answers->answered; });
    return answers->fate;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    machine machine;
    answers answers;
    dgraft_why why{};
    dgraft_node *node = nullptr;
    dgraft_node_options options{};
    options.directory = argv[1];
    options.listen = "127.0.0.1:0";
    options.machine.context = &machine;
    options.machine.apply = apply;
    if (dgraft_node_format(argv[1], "stranger", 1, "1=127.0.0.1:7001", &why) != DGRAFT_OK ||
        dgraft_node_open(&options, &node, &why) != DGRAFT_OK) {
        std::fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    std::string greeting = "hello";
    const iovec piece = {&greeting[0], greeting.size()};
    dgraft_proposal proposal{};
    proposal.pieces = &piece;
    proposal.piece_count = 1;
    proposal.context = &answers;
    proposal.answered = on_answer;
    dgraft_proposal_fate fate = DGRAFT_PROPOSAL_REFUSED;
    for (int tries = 0; tries < 100 && fate != DGRAFT_PROPOSAL_COMMITTED; tries++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        fate = propose(node, &proposal, &answers);
    }
    dgraft_node_close(node);
    std::printf("applied: %s\n", machine.applied.c_str());
    return fate == DGRAFT_PROPOSAL_COMMITTED && machine.applied == "hello" ? 0 : 1;
}
