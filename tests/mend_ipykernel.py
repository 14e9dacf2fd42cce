"""What a kernel of ipykernel 7.0 to 7.3 runs as it starts, so that it reads each request.

These send replies past the stream that reads requests from the same socket, and now and then leave
one unread until the next connection: https://github.com/ipython/ipykernel/issues/1554. 7.4 sends
through the stream, as is done here.
"""

from IPython import get_ipython

get_ipython().kernel.shell_channel_thread.manager._shell_socket = get_ipython().kernel.shell_stream
