#!/usr/bin/env python3
"""template.yaml against what it must agree with: events, code, and limits.

Run with a Python that has PyYAML, boto3 and moto; the operator's tool must be
built. The events go through moto's EventBridge, rules and queue as the template
has them: a matcher that is not ours. Which should arrive is what the function
itself makes of them.

    tests/template.py target/debug/emr-studio-sync
    tests/template.py --variants FOLDER   # the template as it is deployed, in some ways
"""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import boto3
import yaml
from moto import mock_aws

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLOUDTRAIL = "AWS API Call via CloudTrail"


class Loader(yaml.SafeLoader):
    """Reads a template; `!Ref X` becomes {"Ref": "X"}."""


def short_form(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


def template(path):
    return yaml.load((ROOT / path).read_text(), Loader)["Resources"]


def of_type(resources, kind):
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


# ── The patterns ─────────────────────────────────────────────────────────────

# The write calls of each event source, and calls that must not arrive. Kept
# apart from the template, which they test.
USERS = ["CreateUser", "UpdateUser", "DeleteUser"]
GROUPS = ["CreateGroup", "UpdateGroup", "DeleteGroup"]
IDENTITY_PROVIDER = [f"{verb}ExternalIdPConfigurationForDirectory" for verb in ("Create", "Update", "Enable", "Disable", "Delete")]
WRITES = {
    "sso-directory": USERS + GROUPS + IDENTITY_PROVIDER + [
        "AddMemberToGroup", "RemoveMemberFromGroup", "UpdateUserName", "EnableUser", "DisableUser",
        "UpdateGroupDisplayName", "CreateProvisioningTenant", "DeleteProvisioningTenant",
    ],
    "identitystore": USERS + GROUPS + ["CreateGroupMembership", "DeleteGroupMembership"],
    "identitystore-scim": ["CreateUser", "PutUser", "PatchUser", "DeleteUser", "CreateGroup", "PatchGroup", "DeleteGroup"],
    "sso": ["AssociateDirectory", "DisassociateDirectory", "UpdateDirectoryAssociation"],
}
DECOYS = {
    "sso-directory": [
        "DescribeGroups", "GetUserPoolInfo", "IsMemberInGroup", "ListGroupsForUser", "SearchUsers",
        "UpdateMfaDeviceForUser", "StartVirtualMfaDeviceRegistration", "CompleteWebAuthnDeviceRegistration",
        "CreateBearerToken", "DeleteBearerToken",
    ],
    "identitystore": ["DescribeUser", "GetGroupId", "IsMemberInGroups", "ListGroupMemberships"],
    "identitystore-scim": ["GetUser", "ListGroups"],
    "sso": ["CreateAccountAssignment", "AssociateProfile", "CreateUser", "DeleteGroup"],
    "iam": ["CreateUser", "DeleteGroup", "AddUserToGroup"],
    "quicksight": ["CreateGroupMembership", "DeleteUser"],
}
NATIVE = [f"{what} {done}" for what in ("User", "Group", "Group Membership") for done in ("Created", "Updated", "Deleted")]


def made_up():
    """Events by name, beside those in files."""
    plain = json.loads((ROOT / "tests/fixtures/events/sso-directory.CreateGroup.json").read_text())

    def call(service, name, **more):
        event = copy.deepcopy(plain)
        event["source"] = f"aws.{service}"
        event["detail"] |= {"eventSource": f"{service}.amazonaws.com", "eventName": name, **more}
        event["detail"] |= {"requestParameters": None, "responseElements": None}
        return event

    events = {}
    for service, names in WRITES.items():
        for name in names:
            events[f"{service} {name}"] = call(service, name)
            events[f"{service} {name}, failed"] = call(service, name, errorCode="AccessDenied", errorMessage="no")
    for service, names in DECOYS.items():
        for name in names:
            events[f"{service} {name}"] = call(service, name)
    # SCIM's `source` is documented nowhere; the pattern must not need it.
    events["scim under another source"] = call("identitystore-scim", "PatchUser") | {"source": "aws.identitystore"}
    for kind in NATIVE + ["Something New"]:
        events[f"native {kind}"] = {**plain, "source": "aws.identitystore", "detail-type": kind, "detail": {"event-version": "1.0"}}
        events[f"somebody's {kind}"] = {**events[f"native {kind}"], "source": "com.example"}
    return events


def in_files():
    return {
        str(path.relative_to(ROOT)): json.loads(path.read_text())
        for folder in ("events", "tests/fixtures/events")
        for path in sorted((ROOT / folder).glob("*.json"))
    }


def scopes(tool, events):
    """What the function makes of each: the scope of its report."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, event in enumerate(events.values()):
            paths.append(pathlib.Path(folder, f"{index}.json"))
            paths[-1].write_text(json.dumps(event))
        run = subprocess.run([tool, "simulate", "--output", "json", *paths], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    reports = json.loads(run.stdout)["events"]
    return {name: told["report"]["scope"] for name, told in zip(events, reports, strict=True)}


@mock_aws
def arrivals(resources, events):
    """The rules by which each event gets into the queue."""
    bus, sqs = boto3.client("events"), boto3.client("sqs")
    queue = resources["EventQueue"]["Properties"]
    attributes = {name: str(queue[name]).lower() for name in ("FifoQueue", "ContentBasedDeduplication")}
    queues = {}
    for name, rule in of_type(resources, "AWS::Events::Rule").items():
        if "EventPattern" not in rule:
            continue
        (target,) = rule["Targets"]
        assert target["Arn"] == {"GetAtt": "EventQueue.Arn"}, f"{name} has another target than the queue"
        queues[name] = sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus.put_rule(Name=name, EventPattern=json.dumps(rule["EventPattern"]))
        bus.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn, "SqsParameters": target["SqsParameters"]}])
    arrived = {}
    for name, event in events.items():
        entry = {"Source": event["source"], "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"])}
        sent = bus.put_events(Entries=[{**entry, "Resources": event.get("resources", [])}])
        assert sent["FailedEntryCount"] == 0, sent
        arrived[name] = []
        for rule, url in queues.items():
            for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
                assert json.loads(message["Body"])["detail"] == event["detail"]
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                arrived[name].append(rule)
    return arrived


def test_patterns(tool):
    resources = template("template.yaml")
    rules = of_type(resources, "AWS::Events::Rule")
    patterns = {name: rule["EventPattern"] for name, rule in rules.items() if "EventPattern" in rule}
    for name, pattern in patterns.items():
        length = len(json.dumps(pattern))
        print(f"{name}: {length} of 2048 characters")
        assert length < 2048, f"{name} is too long"
    forwarded = of_type(template("docs/forward-events.yaml"), "AWS::Events::Rule")
    assert patterns == {name: rule["EventPattern"] for name, rule in forwarded.items()}, "docs/forward-events.yaml has other patterns"
    groups = {rule["Targets"][0]["SqsParameters"]["MessageGroupId"] for rule in rules.values()}
    assert len(groups) == 1, "there is more than one message group"
    assert all(rule["Targets"][0]["DeadLetterConfig"] for rule in rules.values())

    events = in_files() | made_up()
    # The schedule comes by its own rule, which has no pattern.
    by_schedule = [name for name, event in events.items() if event["detail-type"] == "Scheduled Event"]
    assert by_schedule and any("ScheduleExpression" in rule for rule in rules.values())
    scope, arrived = scopes(tool, events), arrivals(resources, events)
    wrong = []
    for name in events:
        wanted = scope[name] != "nothing" and name not in by_schedule
        expected = (1 if wanted else 0)
        if name.endswith(".json"):
            verdict = f"matched by {arrived[name][0]}" if arrived[name] else "refused"
            print(f"  {name}: {verdict}" + (" (comes by the schedule's rule)" if name in by_schedule else ""))
        if len(arrived[name]) != expected:
            wrong.append(f"{name}: the function looks at {scope[name]}, matched by {arrived[name]}")
    assert not wrong, "\n".join(wrong)
    matched = sum(bool(rules) for rules in arrived.values())
    print(f"{matched} events matched, by one rule each; {len(events) - matched} refused")


def transformed(target, event):
    """What EventBridge makes of an event for a target with an InputTransformer."""
    transformer = target["InputTransformer"]
    text = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        assert text.count(f"<{name}>") == 1, f"<{name}> is not in the template"
        text = text.replace(f"<{name}>", json.dumps(event[path.removeprefix("$.")]))
    assert not re.search(r"<\w*>", text), f"not everything is filled in: {text}"
    return json.loads(text)


def test_schedules(tool):
    """Two clocks: the full pass, and what is unfinished."""
    resources = template("template.yaml")
    rules = of_type(resources, "AWS::Events::Rule")
    clocks = {name for name, rule in rules.items() if "ScheduleExpression" in rule}
    assert clocks == {"FullPassRule", "UnfinishedRule"}, clocks
    (statement,) = resources["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    senders = {arn["GetAtt"] for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"]}
    assert senders == {f"{name}.Arn" for name in rules}, senders ^ {f"{name}.Arn" for name in rules}

    scheduled = json.loads((ROOT / "events/12-schedule.json").read_text())
    first, second = ({**scheduled, "id": f"0000000{n}-1111-4222-8333-444455556666"} for n in (1, 2))
    (target,) = rules["UnfinishedRule"]["Targets"]
    bodies = [transformed(target, event) for event in (first, second)]
    assert bodies[0] == {
        "version": "0", "id": first["id"], "time": first["time"],
        "source": "emr-studio-sync", "detail-type": "Unfinished", "detail": {},
    }
    assert bodies[0] != bodies[1], "the queue would take the second for the first"
    assert set(scopes(tool, {"the minute's": bodies[0]}).values()) == {"nothing"}
    (target,) = rules["FullPassRule"]["Targets"]
    assert not {"Input", "InputPath", "InputTransformer"} & set(target), "the full pass is a Scheduled Event as it is"
    print("both schedules reach the queue, each as what it is")


# ── What the template says of the code ───────────────────────────────────────


def source(name):
    return (ROOT / "src" / name).read_text()


def told():
    """What the function says of itself: its metrics and records."""
    files = ["telemetry.rs", "handler.rs", "main.rs", "record.rs"]
    return "".join(source(name) for name in files)


def test_metrics_and_queries():
    resources, telemetry = template("template.yaml"), told()
    for name, alarm in of_type(resources, "AWS::CloudWatch::Alarm").items():
        if alarm["Namespace"] == "EmrStudioSync":
            assert f'"{alarm["MetricName"]}"' in telemetry, f"{name}: there is no such metric"
        assert len(alarm["AlarmDescription"]) <= 1024, f"{name}: CloudWatch takes 1,024 characters"
    shown = set()
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
    for widget in json.loads(body)["widgets"]:
        last = []
        for metric in widget["properties"].get("metrics", []):
            words = [word for word in metric if isinstance(word, str)]
            if not words:
                continue  # A search for whatever there is, of Studios.
            last = last[: len(last) - len(words) + 1] + words[1:] if words[0] == "..." else \
                [last[at] if word == "." else word for at, word in enumerate(words)]
            assert last[0] != "EmrStudioSync" or f'"{last[1]}"' in telemetry, f"the dashboard: no metric {last}"
            shown.add(last[1])
    counted = set(re.findall(r'\("([A-Z]\w+)", json!', telemetry))
    assert counted <= shown, f"the dashboard does not show {counted - shown}"
    # A query of a field that is not there finds nothing, and says nothing.
    platform = {"@timestamp", "level", "message", "type", "record.status"}
    for name, query in of_type(resources, "AWS::Logs::QueryDefinition").items():
        fields = query["QueryString"].splitlines()[0].removeprefix("fields ").split(", ")
        for field in set(fields) - platform:
            assert re.search(rf"\b{field}\b", telemetry), f"{name}: no record has {field}"
        for message in re.findall(r'message (?:= |in \[)((?:"[^"]*",? ?)+)', query["QueryString"]):
            for text in re.findall(r'"([^"]*)"', message):
                assert f'"{text}"' in telemetry, f"{name}: no record says {text}"


def test_alarms():
    """How far each looks back, and when it calls somebody."""
    whole = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    periods = {row["Seconds"] for row in whole["Mappings"]["FullPass"].values()}
    parameter = whole["Parameters"]["FullPassEvery"]
    assert set(parameter["AllowedValues"]) == set(whole["Mappings"]["FullPass"])
    of_full_pass = {"FindInMap": ["FullPass", {"Ref": "FullPassEvery"}, "Seconds"]}
    call = {"If": ["HasTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    alarms = of_type(whole["Resources"], "AWS::CloudWatch::Alarm")
    looks_back = {}
    for name, alarm in alarms.items():
        looks_back[name] = (alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]), alarm["EvaluationPeriods"])
        for period in periods if alarm["Period"] == of_full_pass else {alarm["Period"]}:
            # CloudWatch's limits: a day, or a week where a period is an hour or more.
            most = 7 * 86400 if period >= 3600 else 86400
            assert period * alarm["EvaluationPeriods"] <= most, f"{name}: looks back too far at a period of {period}"
        assert alarm["AlarmActions"] == alarm["OKActions"] == call, name
        assert ("InsufficientDataActions" in alarm) == (alarm["TreatMissingData"] == "missing"), name
    findings = {name for name, alarm in alarms.items() if alarm["Period"] == of_full_pass}
    assert {name: looks_back[name] for name in findings} == {
        # Within two periods there is a pass, however it shifts; within six, three.
        "HeldAlarm": (1, 2), "UnresolvedRulesAlarm": (1, 2), "OverCapacityAlarm": (1, 2), "FailedAlarm": (1, 2),
        "WithheldAlarm": (3, 6), "NoFullPassAlarm": (3, 3),
    }
    # A new alarm has no data, and nobody is called for it; for silence later, somebody is.
    silence = alarms["NoFullPassAlarm"]
    assert (silence["TreatMissingData"], silence["InsufficientDataActions"]) == ("missing", call)
    assert all(alarm["TreatMissingData"] == "notBreaching" for name, alarm in alarms.items() if name != "NoFullPassAlarm")
    assert "Orphans" not in {alarm["MetricName"] for alarm in alarms.values()}, "orphans keep no alarm on"
    shown = whole["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
    assert set(re.findall(r"\$\{(\w+)\.Arn\}", shown)) == set(alarms), "the dashboard has other alarms"


def test_permissions():
    """The role may call what the code calls, and nothing else of these services."""
    calls = {
        "identitystore": re.findall(r"\.((?:describe|get|list|is_member_in)_\w+)\(\)", source("directory.rs") + source("directory/many.rs")),
        "elasticmapreduce": re.findall(r"\.((?:create|update|delete|describe|get|list)_\w*studio\w*)\(\)", source("studio.rs")),
    }
    called = {
        f"{service}:{''.join(word.capitalize() for word in name.split('_'))}"
        for service, names in calls.items()
        for name in names
    }
    role = json.dumps(template("template.yaml")["FunctionRole"])
    allowed = set(re.findall(r'"((?:identitystore|elasticmapreduce):\w+)"', role))
    assert called == allowed, f"called only: {called - allowed}; allowed only: {allowed - called}"


def test_log():
    """The role may write its own log, and ask it for the deletions, and no other."""
    (run,) = (one for one in template("template.yaml")["FunctionRole"]["Properties"]["Policies"] if one.get("PolicyName") == "run")
    of_logs = {}
    for statement in run["PolicyDocument"]["Statement"]:
        actions = statement.get("Action", [])
        for action in [actions] if isinstance(actions, str) else actions:
            if action.startswith("logs:"):
                of_logs[action] = statement["Resource"]
    assert set(of_logs) == {"logs:CreateLogStream", "logs:PutLogEvents", "logs:FilterLogEvents"}, of_logs
    # Of a log group, Arn is the form with :* at its end.
    assert all(resource == {"GetAtt": "LogGroup.Arn"} for resource in of_logs.values()), of_logs
    called = re.findall(r'Call::new\(LOGS, "(\w+)"', source("log.rs"))
    assert {f"logs:{name}" for name in called} == {"logs:FilterLogEvents"}, called


def test_variables():
    variables = template("template.yaml")["Function"]["Properties"]["Environment"]["Variables"]
    read = set(re.findall(r'\bvar\("([A-Z_]+)"\)', source("config.rs")))
    # Lambda sets these itself.
    read -= {"LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME"}
    assert {name for name in variables if not name.startswith("AWS_")} == read


def test_function():
    """An order is tried once, and soon; concurrency is reserved only where somebody says so."""
    whole = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    function = whole["Resources"]["Function"]["Properties"]
    assert function["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
    assert function["EventInvokeConfig"]["MaximumEventAgeInSeconds"] > function["Timeout"]
    parameter = whole["Parameters"]["ReservedConcurrency"]
    assert (parameter["Type"], parameter["Default"], parameter["MinValue"]) == ("Number", 0, 0)
    assert whole["Conditions"]["Reserves"] == {"Not": [{"Equals": [{"Ref": "ReservedConcurrency"}, 0]}]}
    reserved = {"If": ["Reserves", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
    assert function["ReservedConcurrentExecutions"] == reserved


def test_queue():
    """A message that comes back three times is not taken for one that crashes the function."""
    resources = template("template.yaml")
    queue, function = (resources[name]["Properties"] for name in ("EventQueue", "Function"))
    assert queue["VisibilityTimeout"] >= function["Timeout"] + 60
    assert queue["RedrivePolicy"]["maxReceiveCount"] > 1 + 3
    assert function["Events"]["Queue"]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


ARN = "arn:aws-us-gov"
UUID = "0A1b2c3d-1001-7001-8001-00000000a001"
# What each pattern must take, and what it must not.
VALUES = {
    "IdentityStoreId": (
        ["d-1234567890", "d-90675AbCdE", UUID, f"{ARN}:identitystore::111122223333:identitystore/d-1234567890"],
        ["", "1234567890", "d-123", "ssoins-1234567890abcdef", "es-ABCDEFGHIJKLMNOPQRSTUVWXY"],
    ),
    "IdentityStoreRegion": (["", "eu-west-1", "us-gov-west-1", "ap-southeast-10"], ["eu-west", "EU-WEST-1", "eu-west-1a"]),
    "InstanceOwnerAccount": (["", "011122223333"], ["11122223333", "1111-2222-3333"]),
    "Studios": (["es-ABCDEFGHIJKLMNOPQRSTUVWXY", "es-0123", f"{ARN}:elasticmapreduce:us-gov-west-1:111122223333:studio/es-0123"], ["", "analytics", "es-", "es-abc"]),
    "StudioRoleArns": (["", f"{ARN}:iam::111122223333:role/path/to/studio-sync@1"], ["studio-sync", f"{ARN}:iam::111122223333:user/me"]),
    "PolicyTable": (
        ['{"rules": []}', '\n{\n "rules": [ {"group": "Führung *"} ]\n}\n', "/opt/policy.toml", "/opt/a/b-c.json", "/var/task/t.json"],
        # sam makes the first of an inline table without quotes of its own.
        ["{", "", "policy.toml", "/opt/policy.yaml", "/opt/my policy.toml"],
    ),
    "ForwardingAccounts": (["", "011122223333"], ["o-1234567890", "1234"]),
    "AlarmTopicArn": (["", f"{ARN}:sns:us-gov-west-1:111122223333:my_topic-1"], ["my_topic", f"{ARN}:sns:us-gov-west-1:111122223333:my.fifo"]),
    "KmsKeyArn": (["", f"{ARN}:kms:us-gov-west-1:111122223333:key/mrk-1234abcd"], ["alias/key", f"{ARN}:kms:us-gov-west-1:111122223333:alias/key"]),
    "SubnetIds": (["", "subnet-0123abcd", "subnet-0123456789abcdef0"], ["vpc-0123abcd", "subnet-", "subnet-XYZ"]),
    "SecurityGroupIds": (["", "sg-0123456789abcdef0"], ["default", "sg-"]),
    "PermissionsBoundaryArn": (["", f"{ARN}:iam::111122223333:policy/team/boundary", f"{ARN}:iam::aws:policy/PowerUserAccess"], ["boundary", f"{ARN}:iam::111122223333:role/me"]),
    "RolePath": (["/", "/service/", "/team/data/"], ["", "service", "/service", "//"]),
    "CodeSigningConfigArn": (["", f"{ARN}:lambda:us-gov-west-1:111122223333:code-signing-config:csc-0123456789abcdef0"], ["csc-0123456789abcdef0"]),
    "IdentityCenterKmsKeyArn": (["", f"{ARN}:kms:us-gov-west-1:111122223333:key/{UUID}"], [UUID]),
}


def test_parameters():
    parameters = yaml.load((ROOT / "template.yaml").read_text(), Loader)["Parameters"]
    patterned = {name for name, parameter in parameters.items() if "AllowedPattern" in parameter}
    assert patterned == set(VALUES), patterned ^ set(VALUES)
    for name, (right, wrong) in VALUES.items():
        pattern = re.compile(parameters[name]["AllowedPattern"])
        for value in right:
            assert pattern.fullmatch(value), f"{name} refuses {value!r}"
        for value in wrong:
            assert not pattern.fullmatch(value), f"{name} takes {value!r}"
    grouped = yaml.load((ROOT / "template.yaml").read_text(), Loader)["Metadata"]["AWS::CloudFormation::Interface"]
    assert {name for group in grouped["ParameterGroups"] for name in group["Parameters"]} == set(parameters)
    assert set(grouped["ParameterLabels"]) == set(parameters)
    assert all("Description" in parameter for parameter in parameters.values())


# ── What each parameter changes ──────────────────────────────────────────────

STUDIO = "es-ABCDEFGHIJKLMNOPQRSTUVWXY"
ACCOUNT = "111122223333"
NOTHING = object()
PLACES = {
    "aws": ("eu-central-1", "amazonaws.com"),
    "aws-cn": ("cn-north-1", "amazonaws.com.cn"),
    "aws-us-gov": ("us-gov-west-1", "amazonaws.com"),
}
REQUIRED = {"IdentityStoreId": "d-1234567890", "Studios": STUDIO, "PolicyTable": "/opt/policy.toml", "Mode": "apply"}


def deployed(path="template.yaml", partition="aws", stack="emr-studio-sync", **given):
    """The template as CloudFormation reads it with these parameters.

    What only a deployment knows stays as it is: `Ref` and `GetAtt` of resources.
    """
    whole = yaml.load((ROOT / path).read_text(), Loader)
    region, suffix = PLACES[partition]
    uuid = "0a1b2c3d-1111-4222-8333-444455556666"
    values = {
        "AWS::Partition": partition, "AWS::Region": region, "AWS::URLSuffix": suffix, "AWS::AccountId": ACCOUNT,
        "AWS::StackName": stack, "AWS::NoValue": NOTHING,
        "AWS::StackId": f"arn:{partition}:cloudformation:{region}:{ACCOUNT}:stack/{stack}/{uuid}",
    }
    assert set(given) <= set(whole["Parameters"]), set(given) - set(whole["Parameters"])
    for name, parameter in whole["Parameters"].items():
        value = given.get(name, parameter.get("Default", NOTHING))
        assert value is not NOTHING, f"{name} is required"
        is_list = parameter["Type"] == "CommaDelimitedList"
        values[name] = str(value).split(",") if is_list else value
        if "AllowedValues" in parameter:
            assert value in parameter["AllowedValues"], f"{name} is not {value!r}"

    def filled(text, more):
        known = {**values, **{name: of(value) for name, value in more.items()}}
        text = re.sub(r"\$\{([\w:]+)\}", lambda found: str(known.get(found[1], found[0])), text)
        return {"Sub": text} if "${" in text else text

    def holds(name):
        return of(whole["Conditions"][name])

    def of(node):
        if isinstance(node, list):
            return [value for value in map(of, node) if value is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, value),) = node.items()
            match name:
                case "Ref" if value in values:
                    return values[value]
                case "Sub" if isinstance(value, str):
                    return filled(value, {})
                case "Sub":
                    return filled(*value)
                case "If":
                    return of(value[1] if holds(value[0]) else value[2])
                case "Equals":
                    return str(of(value[0])) == str(of(value[1]))
                case "Not":
                    return not of(value[0])
                case "Join":
                    return value[0].join(of(value[1]))
                case "Split":
                    return of(value[1]).split(value[0])
                case "Select":
                    return of(value[1])[value[0]]
                case "FindInMap":
                    first, second, third = (of(part) for part in value)
                    return whole["Mappings"][first][second][third]
        return {name: one for name, value in node.items() if (one := of(value)) is not NOTHING}

    resources = {
        name: {key: of(value) for key, value in resource.items() if key != "Condition"}
        for name, resource in whole["Resources"].items()
        if "Condition" not in resource or holds(resource["Condition"])
    }
    return {**whole, "Resources": resources, "Outputs": of(whole.get("Outputs", {}))}


def flat(node, path=""):
    if isinstance(node, dict):
        for name, value in node.items():
            yield from flat(value, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            # A statement and a policy by their names: others before it come and go.
            name = value.get("Sid") or value.get("PolicyName") if isinstance(value, dict) else None
            yield from flat(value, f"{path}[{name or index}]")
    else:
        yield path, node


# A value that is not the default, and where it is seen: the beginnings of the
# paths that differ, all of them.
LAMBDA, ROLE = "Function.Properties", "FunctionRole.Properties"
VARIABLES, READ, RUN = f"{LAMBDA}.Environment.Variables", f"{ROLE}.Policies[read]", f"{ROLE}.Policies[run]"
STATEMENTS, RUNS = f"{READ}.PolicyDocument.Statement", f"{RUN}.PolicyDocument.Statement"
PERIODS = ["HeldAlarm", "UnresolvedRulesAlarm", "OverCapacityAlarm", "FailedAlarm", "WithheldAlarm", "NoFullPassAlarm"]
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd"
CHANGES = {
    "IdentityStoreId": ("d-0000000000", [f"{VARIABLES}.IDENTITY_STORE_ID", f"{STATEMENTS}[ReadTheDirectory].Resource[0]"]),
    "IdentityStoreRegion": ("eu-west-1", [f"{VARIABLES}.IDENTITY_STORE_REGION"]),
    "InstanceOwnerAccount": ("999999999999", [f"{STATEMENTS}[ReadTheDirectory].Resource[0]"]),
    "Studios": ("es-0", [f"{STATEMENTS}[ReadAndWriteStudios].Resource[0]"]),
    "StudioRoleArns": (f"arn:aws:iam::{ACCOUNT}:role/studios", [f"{ROLE}.Policies[studios-elsewhere]"]),
    "PolicyTable": ("/opt/other.json", [f"{VARIABLES}.POLICY_TABLE"]),
    "Mode": ("plan", [f"{VARIABLES}.MODE", f"{ROLE}.Policies[write]", f"{STATEMENTS}[ReadAndWriteStudios]", f"{STATEMENTS}[ReadStudios]"]),
    "FullPassEvery": ("3h", ["FullPassRule.Properties.ScheduleExpression", *(f"{name}.Properties.Period" for name in PERIODS)]),
    "DeliveryDelay": (0, ["EventQueue.Properties.DelaySeconds"]),
    "ForwardingAccounts": ("999999999999", ["ForwardedEvents"]),
    "AlarmTopicArn": (f"arn:aws:sns:eu-central-1:{ACCOUNT}:topic", "alarms"),
    "AccessEvents": ("true", [f"{VARIABLES}.ACCESS_EVENTS", f"{RUNS}[TellTheBus]"]),
    "LogLevel": ("DEBUG", [f"{LAMBDA}.LoggingConfig.ApplicationLogLevel"]),
    "LogNames": ("true", [f"{VARIABLES}.LOG_NAMES"]),
    "LogRetentionDays": (30, ["LogGroup.Properties.RetentionInDays"]),
    "Tracing": ("Active", [f"{LAMBDA}.Tracing", f"{RUNS}[Trace]"]),
    "Architecture": ("arm64", [f"{LAMBDA}.Architectures[0]"]),
    "MemorySize": (512, [f"{LAMBDA}.MemorySize"]),
    "ReservedConcurrency": (2, [f"{LAMBDA}.ReservedConcurrentExecutions"]),
    "KmsKeyArn": (KEY, [
        "LogGroup.Properties.KmsKeyId", f"{RUNS}[DecryptTheQueue]",
        *(f"{name}.Properties.{of}" for name in ("EventQueue", "DeadLetters", "UndeliveredEvents") for of in ("KmsMasterKeyId", "SqsManagedSseEnabled")),
    ]),
    "IdentityCenterKmsKeyArn": (KEY, [f"{STATEMENTS}[DecryptTheDirectory]"]),
    "SubnetIds": ("subnet-0a,subnet-0b", [f"{LAMBDA}.VpcConfig", f"{RUNS}[BeInTheVpc]"]),
    "SecurityGroupIds": ("sg-0a", []),  # With SubnetIds only.
    "PermissionsBoundaryArn": (f"arn:aws:iam::{ACCOUNT}:policy/boundary", [f"{ROLE}.PermissionsBoundary"]),
    "RolePath": ("/team/", [f"{ROLE}.Path"]),
    "CodeSigningConfigArn": (f"arn:aws:lambda:eu-central-1:{ACCOUNT}:code-signing-config:csc-0123456789abcdef0", [f"{LAMBDA}.CodeSigningConfigArn"]),
}


def test_what_each_parameter_changes():
    parameters = yaml.load((ROOT / "template.yaml").read_text(), Loader)["Parameters"]
    assert set(CHANGES) == set(parameters), set(CHANGES) ^ set(parameters)
    plain = dict(flat(deployed(**REQUIRED)["Resources"]))
    alarms = of_type(template("template.yaml"), "AWS::CloudWatch::Alarm")
    for name, (value, places) in CHANGES.items():
        if places == "alarms":
            actions = [(alarm, kind) for alarm, all_of in alarms.items() for kind in all_of if kind.endswith("Actions")]
            places = [f"{alarm}.Properties.{kind}" for alarm, kind in actions]
        other = dict(flat(deployed(**{**REQUIRED, name: value})["Resources"]))
        missing = object()
        differ = {path for path in plain.keys() | other.keys() if plain.get(path, missing) != other.get(path, missing)}
        # One that only lies where another does is not told from it.
        unexpected = {path for path in differ if not path.startswith(tuple(places))} if places else differ
        unchanged = [place for place in places if not any(path.startswith(place) for path in differ)]
        assert not unexpected and not unchanged, f"{name} changes {sorted(unexpected)}, and not {unchanged}"
    together = deployed(**REQUIRED, SubnetIds="subnet-0a,subnet-0b", SecurityGroupIds="sg-0a")["Resources"]
    assert together["Function"]["Properties"]["VpcConfig"] == {"SubnetIds": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0a"]}
    forwards = deployed("docs/forward-events.yaml", TargetBusArn="arn", PermissionsBoundaryArn="b", RolePath="/team/")
    role = forwards["Resources"]["ForwardingRole"]["Properties"]
    assert (role["PermissionsBoundary"], role["Path"]) == ("b", "/team/")
    print(f"{len(CHANGES)} parameters change what they should, and nothing else")


def inline_characters(resources):
    """What IAM counts of a role's inline policies: no white space."""
    documents = [policy["PolicyDocument"] for policy in resources["FunctionRole"]["Properties"]["Policies"]]
    # What only a deployment knows is as long as it can be: a queue's name has up to
    # 80 characters, a log group's is the stack's and 27 more.
    most = {"LogGroup.Arn": len("logs:log-group:") + 155}
    prefix = len("arn:aws-us-gov:sqs:us-gov-west-1:111122223333:")
    text = json.dumps(documents, separators=(",", ":"))
    return len(re.sub(r'\{"GetAtt":"([^"]*)"\}', lambda found: '"' + "x" * (prefix + most.get(found[1], 80)) + '"', text))


def everything(partition):
    """All parameters that add something, in a partition."""
    arn, region = f"arn:{partition}", PLACES[partition][0]
    return {
        **REQUIRED,
        "IdentityStoreId": f"{arn}:identitystore::{ACCOUNT}:identitystore/d-1234567890",
        "IdentityStoreRegion": region,
        "StudioRoleArns": f"{arn}:iam::{ACCOUNT}:role/studios",
        "ForwardingAccounts": "999999999999,888888888888",
        "AlarmTopicArn": f"{arn}:sns:{region}:{ACCOUNT}:topic",
        "AccessEvents": "true",
        "Tracing": "Active",
        "ReservedConcurrency": 2,
        "KmsKeyArn": f"{arn}:kms:{region}:{ACCOUNT}:key/0a1b2c3d-1111-4222-8333-444455556666",
        "IdentityCenterKmsKeyArn": f"{arn}:kms:{region}:{ACCOUNT}:key/0a1b2c3d-1111-4222-8333-444455556666",
        "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
        "SecurityGroupIds": "sg-0123456789abcdef0",
        "PermissionsBoundaryArn": f"{arn}:iam::{ACCOUNT}:policy/boundary",
        "RolePath": "/team/",
        "CodeSigningConfigArn": f"{arn}:lambda:{region}:{ACCOUNT}:code-signing-config:csc-0123456789abcdef0",
    }


def studios(number, form="{}"):
    return ",".join(form.format(f"es-{index:0>25}") for index in range(number))


def test_a_hundred_studios():
    """IAM takes 10,240 characters of a role's inline policies, all together."""
    for partition in PLACES:
        full = everything(partition) | {"Studios": studios(100)}
        length = inline_characters(deployed(partition=partition, **full)["Resources"])
        print(f"{partition}: a hundred Studios and every option are {length} of 10240 characters")
        assert length <= 10240
    # What docs/deployment.md says of ARNs, which are longer.
    arn = f"arn:aws:elasticmapreduce:ap-southeast-1:{ACCOUNT}:studio/{{}}"
    length = inline_characters(deployed(**{**everything("aws"), "Studios": studios(70, arn)})["Resources"])
    print(f"seventy by their ARNs are {length}")
    assert length <= 10240


def test_partitions_and_names():
    """No name is longer than its service takes, and no partition taken for another."""
    long = "s" * 128
    for partition, (region, suffix) in PLACES.items():
        stack = deployed(partition=partition, stack=long, **everything(partition))
        resources, text = stack["Resources"], json.dumps(stack["Resources"])
        statement = resources["ForwardedEvents"]["Properties"]["StatementId"]
        assert re.fullmatch(r"[A-Za-z0-9-_]{1,64}", statement), statement
        for query in of_type(resources, "AWS::Logs::QueryDefinition").values():
            assert len(query["Name"]) <= 255
        assert {found for found in re.findall(r"arn:([a-z-]+|\*):", text)} <= {partition, "*"}, partition
        via = [value for path, value in flat(resources) if "kms:ViaService" in path]
        assert len(via) == 3 and all(re.fullmatch(rf"\w+\.({region}|\*)\.{suffix}", value) for value in via), via
        console = {"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
        assert stack["Outputs"]["DashboardUrl"]["Value"]["Sub"].startswith(f"https://{region}.{console[partition]}/cloudwatch/home?region={region}#")


def write_variants(folder):
    """The template as it is deployed, for tools that judge a template."""
    variants = {f"everything-{partition}": (partition, everything(partition)) for partition in PLACES}
    variants["plan"] = ("aws", {**REQUIRED, "Mode": "plan"})
    variants["a-hundred"] = ("aws", {**everything("aws"), "Studios": studios(100)})

    def long_form(node):
        if isinstance(node, list):
            return [long_form(value) for value in node]
        if not isinstance(node, dict):
            return node
        names = {"GetAtt": "Fn::GetAtt", "Sub": "Fn::Sub"}
        return {names.get(name, name) if len(node) == 1 else name: long_form(value) for name, value in node.items()}

    for name, (partition, given) in variants.items():
        stack = long_form(deployed(partition=partition, **given))
        kept = ("AWSTemplateFormatVersion", "Transform", "Description", "Resources", "Outputs")
        resolved = {part: stack[part] for part in kept}
        # sam reads code and layer from where the template is.
        resolved["Resources"]["Function"]["Properties"]["CodeUri"] = str(ROOT)
        resolved["Resources"]["PolicyTableLayer"]["Properties"]["ContentUri"] = str(ROOT / "policy")
        pathlib.Path(folder, f"{name}.json").write_text(json.dumps(resolved, indent=1))


def main():
    if sys.argv[1] == "--variants":
        write_variants(sys.argv[2])
        return
    os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
    test_patterns(sys.argv[1])
    test_schedules(sys.argv[1])
    test_metrics_and_queries()
    test_alarms()
    test_permissions()
    test_log()
    test_variables()
    test_function()
    test_queue()
    test_parameters()
    test_what_each_parameter_changes()
    test_a_hundred_studios()
    test_partitions_and_names()
    print("the template agrees with the events and the code")


if __name__ == "__main__":
    main()
