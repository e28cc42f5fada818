"""What users of a mail server do to it in a few days, in six chapters.

After each chapter the changes get into the redo log in the way that the site has for it, and what the server
shows of every account is noted.
"""

from imap import mailbox_name
from site_of_dovecot import moment, notes

# Octets that are no text, lines that are no header, bare line feeds: a mail is bytes.
ODD_MESSAGE = (
    b"Subject: =?utf-8?q?odd?=\r\nX-Octets: \xff\xfe\x80\r\n\r\n"
    b"lone\nfeeds \x01\x02\r\n\xe4\xf6\xfc\r\n.\r\n..\r\n"
)
GROWING = "Größe/日本 & Co"


class Story:
    def __init__(self, site):
        self.site = site
        self.users = ["alice", "bob", "carol"]
        self.instants = []

    def play(self):
        """Gives for each instant what a restore stops by, an option and its value, and the notes of every user."""
        self.site.run("init", code=0)
        chapters = [
            (self.delivered, self.full),
            (self.flagged_and_filed, self.to_the_millisecond),
            (self.copied_moved_renamed, self.incremental),
            (self.deleted_and_made_again, self.to_a_position),
            (self.turned_around, self.incremental),
            (self.the_last_minute, self.to_the_millisecond),
        ]
        for happens, noted_by in chapters:
            happens()
            state = {user: notes(self.site, user) for user in self.users}
            self.instants.append((noted_by(), state))
        return self.instants

    # --- how an instant is named afterwards ----------------------------------------------------------

    def full(self):
        return ("--to-label", self.site.backup("--full"))

    def incremental(self):
        return ("--to-label", self.site.backup("--incremental"))

    def to_the_millisecond(self):
        self.site.log_changes()
        return ("--to-time", moment())

    def to_a_position(self):
        self.site.log_changes()
        return ("--to-lsn", self.site.end_of_log())

    # --- what happens --------------------------------------------------------------------------------

    def delivered(self):
        site = self.site
        for number in range(6):
            site.deliver(["alice"], f"alice {number}")
        site.deliver(["bob"], "bob alone")
        site.deliver(self.users, "to all three", "The same for everybody.")
        site.server.deliver(["alice@example.com"], ODD_MESSAGE)
        site.deliver(["alice"], "long", "0123456789abcdef\r\n" * 20_000)

    def flagged_and_filed(self):
        with self.site.client("alice") as client:
            for name in ("Work", "Work/Reports", "Work/Reports/2026", "Trash", GROWING):
                client.command(f"CREATE {mailbox_name(name)}")
            client.command('SUBSCRIBE "Work/Reports"')
            client.command(f"SUBSCRIBE {mailbox_name(GROWING)}")
            client.select("INBOX")
            client.command("UID STORE 1:3 +FLAGS (\\Seen)")
            client.command("UID STORE 2 +FLAGS (\\Answered $Forwarded)")
            client.command("UID STORE 3 +FLAGS (\\Flagged \\Draft $Label1 Later)")
            client.command("UID STORE 4 +FLAGS (\\Deleted)")
            client.command('UID COPY 1:2 "Work"')
            dates = ["01-Jan-1999 00:00:00 +0000", "29-Feb-2024 23:59:59 +0200", "03-Nov-2026 08:09:10 -0500"]
            for number, date in enumerate(dates):
                message = self.site.message(f"report {number}")
                client.append("Work/Reports", message, ["\\Seen", "Later", f"report{number}"], date)
            client.append("Work/Reports/2026", self.site.message("of the year"), [], dates[0])
            client.append(GROWING, self.site.message("growing"), ["\\Draft"], dates[1])
        with self.site.client("bob") as client:
            client.select("INBOX")
            client.command("UID STORE 1:* +FLAGS (\\Seen)")

    def copied_moved_renamed(self):
        with self.site.client("alice") as client:
            client.command('RENAME "Work" "Projects"')
            client.select("INBOX")
            client.command("UID EXPUNGE 4")
            client.command('UID MOVE 1,5 "Projects/Reports"')
            client.command('UID COPY 3 "Trash"')
            client.command("UID STORE 3 -FLAGS (\\Draft Later)")
            client.select("Projects/Reports")
            client.command("UID STORE 1:* +FLAGS (NonJunk)")
            client.command("UID STORE 2 +FLAGS (\\Deleted)")
            client.command("EXPUNGE")
        self.site.deliver(["alice", "carol"], "after the move")

    def deleted_and_made_again(self):
        with self.site.client("alice") as client:
            client.command('UNSUBSCRIBE "Work/Reports"')
            client.command('SUBSCRIBE "Projects/Reports"')
            # A subscription outlives its folder.
            for command in ("CREATE", "SUBSCRIBE", "DELETE"):
                client.command(f'{command} "Passing"')
            client.command('DELETE "Trash"')
            client.command('CREATE "Trash"')
            client.append("Trash", self.site.message("in the new trash"), ["\\Seen"])
            # The children stay, below a name that is no folder any more.
            client.command('DELETE "Projects"')
            client.select("INBOX")
            client.command('UID MOVE 6 "Trash"')
        with self.site.client("carol") as client:
            client.select("INBOX")
            client.command("UID STORE 1:* +FLAGS (\\Deleted)")
            client.command("EXPUNGE")

    def turned_around(self):
        with self.site.client("alice") as client:
            # Two folders change their names with each other.
            client.command('RENAME "Trash" "Aside"')
            client.command(f'RENAME {mailbox_name(GROWING)} "Trash"')
            client.command(f'RENAME "Aside" {mailbox_name(GROWING)}')
            client.select("Projects/Reports")
            client.command("UID STORE 1:* -FLAGS (NonJunk)")
            client.command("UID STORE 1 FLAGS (\\Answered last)")
        self.users.append("dave")
        self.site.deliver(["dave", "bob"], "welcome, dave")
        with self.site.client("dave") as client:
            client.command('CREATE "Notes"')
            client.select("INBOX")
            client.command('UID COPY 1 "Notes"')

    def the_last_minute(self):
        self.site.deliver(self.users, "the last one")
        with self.site.client("alice") as client:
            client.select("INBOX")
            client.command("UID STORE 2 FLAGS (\\Seen $Forwarded urgent)")
            client.command('CREATE "Projects"')
            client.command('UID COPY 2:3 "Projects"')
        with self.site.client("bob") as client:
            client.select("INBOX")
            client.command("UID STORE 2 +FLAGS (\\Deleted)")
            client.command("EXPUNGE")
