"""What is said of deployments below the table that `benchbench run` ends with."""

from __future__ import annotations

from benchbench.core.measurement import ResultTable
from benchbench.report.deployment_words import best_sentences, gain_sentences
from benchbench.report.views.deployments import deployment_groups
from benchbench.report.views.lines import group_lines
from benchbench.report.views.quality import quality_columns


def deployment_lines(table: ResultTable) -> list[str]:
    """A line per sentence, `v3 runs best in ...`; nothing where no network is deployed."""
    if all(result.cell.deploy.is_reference for result in table.results):
        return []
    lines = group_lines([table])
    networks = [line for line in lines if line.deployment.is_reference]
    said: list[str] = []
    for group in deployment_groups(lines, quality_columns(networks), [table.run.id]):
        setting = group.key.setting if group.key is not None else ""
        clock = "device time" if group.key is not None and group.key.name == "device_latency" else ""
        where = ", ".join(filter(None, (group.name, setting, clock)))
        for answer in (best_sentences(group), gain_sentences(group)):
            for each in answer.sentences:
                cautions = f" ({'; '.join(each.cautions)})" if each.cautions else ""
                said.append(f"{each.label}{f' ({where})' if where else ''} {each.text}{cautions}")
            said += answer.cautions
    return said
