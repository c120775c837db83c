# A mail server (aiosmtpd): smtp.py FOLDER plain|starttls. It writes each mail that it took as a line of FOLDER/mails and
# says on which port it listens. Mail for slow@ is taken once there is a file FOLDER/go, for no@ never (550), for later@
# not while there is a file FOLDER/busy (451). With starttls it wants TLS and the password "mail-secret" of user "jit".
import asyncio, json, os, ssl, sys, time
from aiosmtpd.smtp import SMTP, AuthResult

folder, mode = sys.argv[1:]
mails = open(os.path.join(folder, "mails"), "a")


def there(name):
    return os.path.exists(os.path.join(folder, name))


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("no@"):
            return "550 no such person here"
        if address.startswith("later@") and there("busy"):
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        while envelope.rcpt_tos[0].startswith("slow@") and not there("go"):
            await asyncio.sleep(0.05)
        mails.write(json.dumps({
            "at": time.time(),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "message": envelope.content.decode(),
        }) + "\n")
        mails.flush()
        return "250 taken"


def knows(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"jit", b"mail-secret"), auth_data=data)


async def main():
    more = {}
    if mode == "starttls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "mail.crt"), os.path.join(folder, "mail.key"))
        more = dict(tls_context=context, require_starttls=True, authenticator=knows, auth_required=True)
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(Handler(), hostname="localhost", loop=loop, **more)
    server = await loop.create_server(make, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
