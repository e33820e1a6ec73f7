"""The form above a list that filters, searches and sorts it, and the query that its links carry on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from gan_aug_service.components import Components
from gan_aug_service.database.tables import Role, Run, Upload
from gan_aug_service.records.catalogue.about import owner_names, project_names, tag_names
from gan_aug_service.records.catalogue.lists import EVERYTHING, Sort, Wanted
from gan_aug_service.web.kit.page_user import PageUser

SORT_WORDS = {
    Sort.NEWEST: "newest first",
    Sort.OLDEST: "oldest first",
    Sort.TITLE: "by title",
    Sort.OWNER: "by who made it",
    Sort.LONGEST: "longest first",
}


@dataclass(frozen=True)
class Filters:
    """What the form shows: what is wanted, and what there is to choose from."""

    path: str
    wanted: Wanted
    others: dict[str, str]
    """Further parameters of the list, such as a state."""
    owners: list[str]
    tags: list[str]
    projects: list[str]
    """The projects to choose from; none for those who see one."""
    sorts: dict[Sort, str]

    @property
    def sent(self) -> dict[str, str]:
        """The parameters that differ from those of the whole list."""
        plain = asdict(EVERYTHING)
        asked = {name: str(value) for name, value in asdict(self.wanted).items() if value != plain[name]}
        return asked | {name: value for name, value in self.others.items() if value}

    @property
    def narrowed(self) -> bool:
        """Whether some records may be left out."""
        return bool(self.sent.keys() - {"sort"})

    @property
    def address(self) -> str:
        """The list's address with what is wanted of it."""
        return f"{self.path}?{urlencode(self.sent)}" if self.sent else self.path

    def with_state(self, state: str) -> str:
        """The list's address for another state."""
        sent = {name: value for name, value in self.sent.items() if name != "state"} | (
            {"state": state} if state else {}
        )
        return f"{self.path}?{urlencode(sent)}" if sent else self.path


def filters_of(
    components: Components,
    user: PageUser,
    path: str,
    wanted: Wanted,
    *,
    timed: bool = False,
    table: type[Run | Upload] = Run,
    **others: str,
) -> Filters:
    """The form above a list.

    Args:
        components: The service's components.
        user: Who looks at it.
        path: The list's path.
        wanted: What is wanted.
        timed: Whether what is listed takes time, so that it can be sorted by that.
        table: Where the names to choose from are taken from.
        **others: Further parameters of the list.

    Returns:
        The form.
    """
    with components.database.reading() as session:
        owners, tags = owner_names(session, user.principal, table), tag_names(session, user.principal, table)
        projects = project_names(session, user.principal, table) if user.has_role(Role.ADMIN) else []
    sorts = {sort: words for sort, words in SORT_WORDS.items() if timed or sort is not Sort.LONGEST}
    return Filters(path, wanted, others, owners, tags, projects, sorts)
