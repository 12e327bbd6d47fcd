/* What differs between the versions of nng: 1.5 (Debian 12) is what this is tested with; 2.0 has other names for the
 * same. Nothing else in the tree may ask for nng's version. */
#ifndef DGRAFT_NNG_VERSION_H
#define DGRAFT_NNG_VERSION_H

#include <nng/nng.h>

#if NNG_MAJOR_VERSION < 2
#include <nng/protocol/bus0/bus.h>
#endif

/* Makes the library usable. Returns 0 or an nng error. */
static inline int dgraft_nng_start(void)
{
#if NNG_MAJOR_VERSION < 2
    return 0; /* it starts itself */
#else
    return (int)nng_init(NULL);
#endif
}

/* Writes the descriptor that polls readable while a message can be received. */
static inline int dgraft_nng_receive_descriptor(nng_socket socket, int *descriptor)
{
#if NNG_MAJOR_VERSION < 2
    return nng_socket_get_int(socket, NNG_OPT_RECVFD, descriptor);
#else
    return nng_socket_get_recv_poll_fd(socket, descriptor);
#endif
}

/* Writes the port that a listener over tcp was given. */
static inline int dgraft_nng_bound_port(nng_listener listener, int *port)
{
#if NNG_MAJOR_VERSION < 2
    return nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, port);
#else
    return nng_listener_get_int(listener, NNG_OPT_BOUND_PORT, port);
#endif
}

/* Writes the other end of a connection. */
static inline int dgraft_nng_pipe_source(nng_pipe pipe, nng_sockaddr *source)
{
#if NNG_MAJOR_VERSION < 2
    return nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, source);
#else
    return (int)nng_pipe_peer_addr(pipe, source);
#endif
}

static inline void dgraft_nng_close(nng_socket socket)
{
#if NNG_MAJOR_VERSION < 2
    (void)nng_close(socket);
#else
    (void)nng_socket_close(socket);
#endif
}

/* Begins to send the message that was put into `aio`. */
static inline void dgraft_nng_send(nng_socket socket, nng_aio *aio)
{
#if NNG_MAJOR_VERSION < 2
    nng_send_aio(socket, aio);
#else
    nng_socket_send(socket, aio);
#endif
}

static inline const char *dgraft_nng_error_text(int error)
{
#if NNG_MAJOR_VERSION < 2
    return nng_strerror(error);
#else
    return nng_strerror((nng_err)error);
#endif
}

#endif
