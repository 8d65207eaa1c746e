"""A TLS server whose key is on the token: it reads key and certificate once, forks as many processes as it has
clients, and each of them does its handshake with the token.

The arguments are the certificate, the key's file, the port, and the number of clients.
"""

import os
import signal
import socket
import ssl
import sys

certificate, key, port, clients = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listening = socket.create_server(("127.0.0.1", int(port)), backlog=64)
workers = []
for _ in range(int(clients)):
    worker = os.fork()
    if worker == 0:
        while True:
            accepted = listening.accept()[0]
            try:
                with context.wrap_socket(accepted, server_side=True) as stream:
                    stream.recv(1000)
                    stream.sendall(f"HTTP/1.0 200 OK\r\n\r\nworker {os.getpid()}\n".encode())
            except (OSError, ssl.SSLError) as error:
                print(error, flush=True)
    workers.append(worker)


def end(*_):
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    sys.exit()


signal.signal(signal.SIGTERM, end)
for worker in workers:
    os.waitpid(worker, 0)
