"""The console: a page that shows fleets and machines, and the server of that page.

It needs the packages of the extra `console`. `redis-state console` runs it.
"""

from redis_state.console._api import Api
from redis_state.console._app import make_app
from redis_state.console._backend import Backend
from redis_state.console._run import listen, serve
from redis_state.console._security import Access

__all__ = ["Access", "Api", "Backend", "listen", "make_app", "serve"]
