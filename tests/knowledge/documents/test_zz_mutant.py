from dataclasses import replace
from mainstay.knowledge.documents import version_store
q=version_store._QUERIES["find_work"]
version_store._QUERIES["find_work"]=replace(q, sql=q.sql.replace("OF d, v","OF v, d"))
from tests.knowledge.documents.test_versions import test_removing_a_document_does_not_deadlock_with_its_ingest
