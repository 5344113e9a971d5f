//! Actions that AWS has and this crate can't run: their inputs and outputs, so that a document with them is checked as a whole.
//! A document with one of them can't be started.
//!
//! Facts from "Systems Manager Automation actions reference" (user guide), a page for each action.

use serde_json::Value;

use crate::fields::Fields;
use crate::types::boolean;

/// An action.
#[derive(Debug)]
pub struct Unsupported {
    /// Its name.
    pub name: &'static str,
    /// Its inputs, and whether they have to be there.
    inputs: &'static [(&'static str, Need, Kind)],
    /// Groups of inputs of which not more than one may be there, and whether one has to be.
    either: &'static [(&'static [&'static str], Need)],
    /// Outputs that are there without being declared.
    pub outputs: &'static [&'static str],
    /// Whether a step can declare outputs.
    pub takes_outputs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}
use Need::{Optional, Required};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    Flag,
    Number,
    List,
    Map,
    Any,
}
use Kind::{Any, Flag, List, Map, Number, OneOf, Text};

static ALL: [Unsupported; 11] = [
    Unsupported {
        name: "aws:changeInstanceState",
        inputs: &[
            ("InstanceIds", Required, List),
            ("CheckStateOnly", Optional, Flag),
            ("DesiredState", Required, OneOf(&["running", "stopped", "terminated"])),
            ("Force", Optional, Flag),
            ("AdditionalInfo", Optional, Text),
        ],
        either: &[],
        outputs: &[],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:copyImage",
        inputs: &[
            ("SourceRegion", Required, Text),
            ("SourceImageId", Required, Text),
            ("ImageName", Required, Text),
            ("ImageDescription", Optional, Text),
            ("Encrypted", Optional, Flag),
            ("KmsKeyId", Optional, Text),
            ("ClientToken", Optional, Text),
        ],
        either: &[],
        outputs: &["ImageId", "ImageState"],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:createImage",
        inputs: &[
            ("InstanceId", Required, Text),
            ("ImageName", Required, Text),
            ("ImageDescription", Optional, Text),
            ("NoReboot", Optional, Flag),
            ("BlockDeviceMappings", Optional, Any),
        ],
        either: &[],
        outputs: &["ImageId", "ImageState"],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:createStack",
        inputs: &[
            ("Capabilities", Optional, List),
            ("ClientRequestToken", Optional, Text),
            ("DisableRollback", Optional, Flag),
            ("NotificationARNs", Optional, List),
            ("OnFailure", Optional, OneOf(&["DO_NOTHING", "ROLLBACK", "DELETE"])),
            ("Parameters", Optional, List),
            ("ResourceTypes", Optional, List),
            ("RoleARN", Optional, Text),
            ("StackName", Required, Text),
            ("StackPolicyBody", Optional, Text),
            ("StackPolicyURL", Optional, Text),
            ("Tags", Optional, List),
            ("TemplateBody", Optional, Text),
            ("TemplateURL", Optional, Text),
            ("TimeoutInMinutes", Optional, Number),
        ],
        either: &[
            (&["DisableRollback", "OnFailure"], Optional),
            (&["StackPolicyBody", "StackPolicyURL"], Optional),
            (&["TemplateBody", "TemplateURL"], Required),
        ],
        outputs: &["StackId", "StackStatus", "StackStatusReason"],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:createTags",
        inputs: &[
            ("ResourceIds", Required, List),
            ("Tags", Required, List),
            ("ResourceType", Optional, OneOf(&["EC2", "ManagedInstance", "MaintenanceWindow", "Parameter"])),
        ],
        either: &[],
        outputs: &[],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:deleteImage",
        inputs: &[("ImageId", Required, Text)],
        either: &[],
        outputs: &[],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:deleteStack",
        inputs: &[
            ("ClientRequestToken", Optional, Text),
            ("RetainResources.member.N", Optional, List),
            ("RoleARN", Optional, Text),
            ("StackName", Required, Text),
        ],
        either: &[],
        outputs: &[],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:executeScript",
        inputs: &[
            (
                "Runtime",
                Required,
                OneOf(&[
                    "python3.6",
                    "python3.7",
                    "python3.8",
                    "python3.9",
                    "python3.10",
                    "python3.11",
                    "PowerShell Core 6.0",
                    "PowerShell 7.0",
                    "PowerShell 7.4",
                ]),
            ),
            ("Handler", Optional, Text),
            ("InputPayload", Optional, Map),
            ("Script", Optional, Text),
            ("Attachment", Optional, Text),
        ],
        either: &[(&["Script", "Attachment"], Required)],
        outputs: &["Payload"],
        takes_outputs: true,
    },
    Unsupported {
        name: "aws:invokeWebhook",
        inputs: &[("IntegrationName", Required, Text), ("Body", Optional, Text)],
        either: &[],
        outputs: &["Response", "ResponseCode"],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:runCommand",
        inputs: &[
            ("DocumentName", Required, Text),
            ("DocumentVersion", Optional, Text),
            ("InstanceIds", Optional, List),
            ("Targets", Optional, List),
            ("Parameters", Optional, Map),
            ("CloudWatchOutputConfig", Optional, Map),
            ("Comment", Optional, Text),
            ("DocumentHash", Optional, Text),
            ("DocumentHashType", Optional, OneOf(&["Sha256", "Sha1"])),
            ("MaxConcurrency", Optional, Any),
            ("MaxErrors", Optional, Any),
            ("NotificationConfig", Optional, Map),
            ("OutputS3BucketName", Optional, Text),
            ("OutputS3KeyPrefix", Optional, Text),
            ("ServiceRoleArn", Optional, Text),
            ("TimeoutSeconds", Optional, Number),
        ],
        either: &[(&["InstanceIds", "Targets"], Required)],
        outputs: &["CommandId", "Status", "ResponseCode", "Output"],
        takes_outputs: false,
    },
    Unsupported {
        name: "aws:runInstances",
        inputs: &[
            ("ImageId", Required, Text),
            ("InstanceType", Optional, Text),
            ("MinInstanceCount", Optional, Number),
            ("MaxInstanceCount", Optional, Number),
            ("AdditionalInfo", Optional, Text),
            ("BlockDeviceMappings", Optional, List),
            ("ClientToken", Optional, Text),
            ("DisableApiTermination", Optional, Flag),
            ("EbsOptimized", Optional, Flag),
            ("IamInstanceProfileArn", Optional, Text),
            ("IamInstanceProfileName", Optional, Text),
            ("InstanceInitiatedShutdownBehavior", Optional, OneOf(&["stop", "terminate"])),
            ("KernelId", Optional, Text),
            ("KeyName", Optional, Text),
            ("Monitoring", Optional, Flag),
            ("NetworkInterfaces", Optional, List),
            ("Placement", Optional, Map),
            ("PrivateIpAddress", Optional, Text),
            ("RamdiskId", Optional, Text),
            ("SecurityGroupIds", Optional, List),
            ("SecurityGroups", Optional, List),
            ("SubnetId", Optional, Text),
            ("TagSpecifications", Optional, List),
            ("UserData", Optional, Text),
        ],
        either: &[],
        outputs: &["InstanceIds", "InstanceStates"],
        takes_outputs: false,
    },
];

impl Unsupported {
    /// The action of this name, if it is one of these.
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|action| action.name == name)
    }

    /// Reports what is wrong with the inputs.
    pub(crate) fn check(&self, fields: &mut Fields<'_>) {
        let mut given = Vec::new();
        let mut python = false;
        for (name, need, kind) in self.inputs {
            let value = if *need == Required { fields.require(name) } else { fields.take(name) };
            let Some(value) = value else { continue };
            given.push(*name);
            python |= *name == "Runtime" && value.as_str().is_some_and(|text| text.starts_with("python"));
            fields.literal(name, &value, |value| kind.check(value));
        }
        for (group, need) in self.either {
            match group.iter().filter(|name| given.contains(name)).count() {
                0 if *need == Required => {
                    fields.problem(group[0], format!("is missing: one of {} is needed", group.join(", ")));
                }
                0 | 1 => {}
                _ => fields.problem(group[0], format!("only one of {} can be there", group.join(", "))),
            }
        }
        if python && !given.contains(&"Handler") {
            fields.problem("Handler", "is missing: a Python script needs it");
        }
    }
}

impl Kind {
    fn check(self, value: &Value) -> Result<(), String> {
        let word = value.as_str();
        let (fits, what) = match self {
            Text => (value.is_string(), "a text".to_owned()),
            OneOf(words) => (word.is_some_and(|word| words.contains(&word)), words.join(", ")),
            Flag => (value.is_boolean() || word.and_then(boolean).is_some(), "true or false".to_owned()),
            Number => (
                value.is_u64() || word.is_some_and(|word| word.parse::<u64>().is_ok()),
                "a whole number".to_owned(),
            ),
            List => (value.is_array(), "a list".to_owned()),
            Map => (value.is_object(), "a map".to_owned()),
            Any => (true, String::new()),
        };
        if fits { Ok(()) } else { Err(format!("takes {what}, not {value}")) }
    }
}
