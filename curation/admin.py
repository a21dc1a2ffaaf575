"""Curation in the admin."""

from curation.audit import admin as _audit  # noqa: F401 - registers
from curation.audit import roles as _roles  # noqa: F401 - registers
from curation.datasets import admin as _datasets  # noqa: F401 - registers
from curation.datasets import artifact_admin as _artifacts  # noqa: F401 - registers
from curation.gold import admin as _gold  # noqa: F401 - registers
from curation.label_studio import admin as _label_studio  # noqa: F401 - registers
from curation.listing import admin as _listing  # noqa: F401 - registers
